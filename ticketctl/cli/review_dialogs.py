"""Dialogs of the review screen: choose a word, and type a text. Each returns None if the reviewer cancels."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList, TextArea
from textual.widgets.option_list import Option


class Dialog(ModalScreen[str | None]):
    """A dialog in the middle of the screen; Escape cancels it."""

    DEFAULT_CSS = """
    Dialog { align: center middle }
    Dialog > Vertical { width: 80%; max-width: 90; height: auto; max-height: 80%; border: round $primary; padding: 0 1 }
    Dialog OptionList { height: auto; max-height: 16 }
    Dialog TextArea { height: 14 }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel")]

    def action_cancel(self) -> None:
        """Close the dialog without a value."""
        self.dismiss(None)


class ChoiceDialog(Dialog):
    """Choose one of some words; what is typed narrows them down."""

    def __init__(self, title: str, words: Sequence[str]) -> None:
        super().__init__()
        self._title = title
        self._words = words

    def compose(self) -> ComposeResult:
        """Lay out the filter above the words."""
        with Vertical():
            yield Label(self._title, markup=False)
            yield Input(placeholder="type to filter, then Enter")
            yield OptionList(*map(_to_option, self._words))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the words that contain what was typed."""
        words = self.query_one(OptionList)
        words.clear_options()
        words.add_options([_to_option(word) for word in self._words if event.value.lower() in word.lower()])
        words.highlighted = 0 if words.option_count else None

    def on_input_submitted(self) -> None:
        """Choose the highlighted word, which is the first one that fits."""
        self.query_one(OptionList).action_select()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Return the word."""
        self.dismiss(event.option_id)


class LineDialog(Dialog):
    """Type one line."""

    def __init__(self, title: str, value: str = "") -> None:
        super().__init__()
        self._title = title
        self._value = value

    def compose(self) -> ComposeResult:
        """Lay out the line below its title."""
        with Vertical():
            yield Label(f"{self._title} (Enter: save, Esc: cancel)", markup=False)
            yield Input(self._value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Return the line."""
        self.dismiss(event.value)


class TextDialog(Dialog):
    """Type a text of several lines."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "save", "Save", priority=True)]

    def __init__(self, title: str, text: str = "") -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        """Lay out the text below its title."""
        with Vertical():
            yield Label(f"{self._title} (Ctrl+S: save, Esc: cancel)", markup=False)
            yield TextArea(self._text, soft_wrap=True)

    def action_save(self) -> None:
        """Return the text."""
        self.dismiss(self.query_one(TextArea).text)


def _to_option(word: str) -> Option:
    return Option(Text(word), id=word)
