"""What CloudFormation makes of a template's values: conditions and intrinsic functions, as far as the stack uses them."""

import re
from collections.abc import Callable, Mapping
from typing import Any

NO_VALUE = object()
"""What `AWS::NoValue` removes the member with."""


class Resolver:
    """Resolves the values of a template. `attributes` are what resources that were made return, by "Name" or "Name.Attribute"."""

    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, object]) -> None:
        given = {name: one.get("Default", "") for name, one in template["Parameters"].items()}
        self._conditions = template["Conditions"]
        self._values: dict[str, object] = {**given, **parameters, "AWS::NoValue": NO_VALUE}
        self._functions: Mapping[str, Callable[[Any], object]] = {
            "Ref": self._values.__getitem__,
            "Condition": lambda name: self.resolve(self._conditions[name]),
            "Fn::Not": lambda operands: not self.resolve(operands[0]),
            "Fn::And": lambda operands: all(map(self.resolve, operands)),
            "Fn::Or": lambda operands: any(map(self.resolve, operands)),
            "Fn::Equals": lambda operands: self.resolve(operands[0]) == self.resolve(operands[1]),
            "Fn::If": self._choose,
            "Fn::GetAtt": lambda path: self._values[".".join(path)],
            "Fn::Join": lambda operands: operands[0].join(self.resolve(operands[1])),
            "Fn::Sub": self._substitute,
        }

    def add(self, **attributes: object) -> None:
        """Add what a resource that was made returns; a dot in a name is written as two underscores."""
        self._values |= {name.replace("__", "."): value for name, value in attributes.items()}

    def resolve(self, value: Any) -> Any:
        """Return the value without intrinsic functions."""
        if isinstance(value, list):
            return [one for one in map(self.resolve, value) if one is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1 and (function := self._functions.get(next(iter(value)))):
            return function(next(iter(value.values())))
        resolved = {name: self.resolve(one) for name, one in value.items()}
        return {name: one for name, one in resolved.items() if one is not NO_VALUE}

    def _choose(self, operands: list[Any]) -> object:
        condition, if_true, if_false = operands
        return self.resolve(if_true if self.resolve({"Condition": condition}) else if_false)

    def _substitute(self, operands: Any) -> str:
        text, own = (operands, {}) if isinstance(operands, str) else operands
        values = self._values | self.resolve(own)
        return re.sub(r"\$\{([\w.:]+)\}", lambda match: str(values[match[1]]), text)
