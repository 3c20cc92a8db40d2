"""Methods: values that say how a verb works. One file per family; the file name is the family."""
