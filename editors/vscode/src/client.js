// Starts `fusec lsp` and lets the editor talk to it; everything about the language is in the server.

const { commands, window, workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

async function start() {
  const [command, ...args] = workspace.getConfiguration("fuse").get("command");
  client = new LanguageClient(
    "fuse",
    "fuse",
    { command, args },
    { documentSelector: [{ language: "fuse" }] },
  );
  try {
    await client.start();
  } catch (error) {
    window.showErrorMessage(
      `\`${[command, ...args].join(" ")}\` did not start (${error.message}). ` +
        'Install it with `pip install "fusec[lsp]"`, or set `fuse.command`.',
    );
    client = undefined;
  }
}

async function restart() {
  await client?.stop();
  await start();
}

exports.activate = async (context) => {
  context.subscriptions.push(commands.registerCommand("fuse.restart", restart));
  context.subscriptions.push(
    workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration("fuse.command")) restart();
    }),
  );
  await start();
};

exports.deactivate = () => client?.stop();
