"""The rules, a module for each subject; `checks` lists them."""
