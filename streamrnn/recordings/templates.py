"""Log lines as templates: what a program prints without what it prints in it. drain3 finds them (He et al. 2017)."""

from collections.abc import Callable

from streamrnn.errors import StreamrnnError

# Taken out of a line before its template is looked for: hexadecimal numbers, and numbers with what joins them.
NUMBERS = r"(?<![A-Za-z])-?(0x[0-9a-fA-F]+|\d+([.:,/-]\d+)*)(?![A-Za-z])"


def miner() -> Callable[[str], str]:
    """From a line to its template as it was first seen: the same for all lines of a kind, however it widens later.

    Raises StreamrnnError when drain3 is not installed.
    """
    try:
        from drain3 import TemplateMiner
        from drain3.masking import MaskingInstruction
        from drain3.template_miner_config import TemplateMinerConfig
    except ImportError:
        raise StreamrnnError(
            "drain3 finds the templates, and is not installed",
            "pip install drain3, or this package with the extra logs",
        ) from None
    config = TemplateMinerConfig()
    config.masking_instructions = [MaskingInstruction(NUMBERS, "*")]
    found = TemplateMiner(config=config)
    first: dict[int, str] = {}

    def template(line: str) -> str:
        told = found.add_log_message(line)
        return first.setdefault(told["cluster_id"], told["template_mined"])

    return template
