"""A spec whose models lie on a server, from check to replay."""

import shutil

import pytest

from fusec.compiler.lock import decode_lock
from fusec.lang.render import render
from fusec.runtime.executors.local import run_plan
from fusec.runtime.executors.options import Options
from fusec.runtime.kernel import RunError
from fusec.runtime.session import Session
from fusec.runtime.store import Store

SPEC = """edition 2026

model base from "{base}"
model math: Model[_, _, root: base] from "{math}"
model code: Model[_, _, root: base] from "{code}"

model merged = merge {{
  base: base
  experts: [math: 0.4, code: 0.6]
  method: linear
}}

output merged to "./out"
"""


class Desk:
    """A folder with a spec in it."""

    def __init__(self, folder):
        self.folder, self.spec = folder, folder / "spec.fuse"
        folder.mkdir()

    def write(self, **places):
        self.spec.write_text(SPEC.format(**places))
        return Session(self.spec, {}, self.folder / ".fusec")

    def run(self, **places):
        session, opened = self.write(**places), Store(self.folder / ".fusec")
        try:
            checked = session.check()
            assert not checked.failed, "\n".join(render(p) for p in checked.problems)
            session.lock(checked, digest=opened.catalog.file_digest)
            return run_plan(session.plan(session.check()), opened, self.folder, Options(threads=2))
        finally:
            opened.close()


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path / "desk")


@pytest.fixture
def places(family, server):
    return {name: f"{server.url}/{name}" for name in ("base", "math", "code")}


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


def test_a_remote_family_is_merged_as_a_local_one(desk, places, family, tmp_path):
    desk.run(**places)
    remote = weights(desk.folder / "out")
    there = Desk(tmp_path / "there")
    there.run(**{name: str(family / name) for name in places})
    assert remote == weights(there.folder / "out")
    stand_ins = sorted(desk.folder.glob(".fusec/remote/*/*.elsewhere"))
    assert len(stand_ins) == 4, "no weights came to stay"


def test_with_a_lock_checking_and_planning_ask_nobody(desk, places, server):
    session = desk.write(**places)
    session.lock(session.check())
    server.requests.clear()
    session = desk.write(**places)
    checked = session.check()
    assert not checked.failed
    session.plan(checked)
    assert not server.requests


def test_a_lock_says_how_each_file_is_held(desk, places, server):
    session = desk.write(**places)
    session.lock(session.check())
    facts = decode_lock(session.lock_path.read_bytes()).facts()
    (base,) = (found for request, found in facts.items() if request.uri == places["base"])
    held = {file.name: file.sha256 for file in base.files}
    assert held["model.safetensors"].startswith(f'{places["base"]}/model.safetensors#"')


def test_what_is_stored_is_reused_until_the_server_holds_something_else(desk, places, server, family):
    desk.run(**places)
    first = weights(desk.folder / "out")
    shutil.rmtree(desk.folder / ".fusec/remote")
    desk.run(**places)
    assert weights(desk.folder / "out") == first
    path = family / "math/model-0.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(RunError, match=r"FUSE402: http://.*/math/model-0.safetensors changed"):
        desk.run(**places)


def test_an_output_of_a_remote_model_is_a_whole_copy(desk, places, family):
    text = f'edition 2026\n\nmodel base from "{places["base"]}"\n\noutput base to "./out"\n'
    desk.spec.write_text(text)
    session, opened = Session(desk.spec, {}, desk.folder / ".fusec"), Store(desk.folder / ".fusec")
    try:
        checked = session.check()
        session.lock(checked)
        run_plan(session.plan(session.check()), opened, desk.folder)
    finally:
        opened.close()
    assert weights(desk.folder / "out") == weights(family / "base")


def test_a_login_is_used_and_never_written_down(desk, places, server, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    desk.run(**places)
    assert server.logins == {"Basic bWU6aHVudGVyMg=="}
    written = [path for path in desk.folder.rglob("*") if path.is_file()]
    assert not [path for path in written if b"hunter2" in path.read_bytes() or b"bWU6" in path.read_bytes()]


def test_a_secret_in_an_address_stops_the_check_before_anybody_is_asked(desk, places, server):
    math = places["math"].replace("http://", "http://me:hunter2@")
    checked = desk.write(**(places | {"math": math})).check()
    (problem,) = (p for p in checked.problems if p.code == "FUSE116")
    assert "hunter2" not in problem.title()
    assert not [path for path, *_ in server.requests if path.startswith("/math")]
