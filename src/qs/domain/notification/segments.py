"""How many parts a text message is sent in: what it costs, and whether phones put it together (3GPP TS 23.038, 23.040)."""

_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_ESCAPED = frozenset("\f^{}\\[~]|€")
# In septets and in UTF-16 units: what one message holds, and what each of several does beside its header.
_GSM_ALONE, _GSM_PART = 160, 153
_UCS2_ALONE, _UCS2_PART = 70, 67


def segments(text: str) -> int:
    """The number of parts; a single character beyond the GSM alphabet makes all of them shorter. 0 for an empty text."""
    if all(each in _GSM or each in _GSM_ESCAPED for each in text):
        return _parts([2 if each in _GSM_ESCAPED else 1 for each in text], _GSM_ALONE, _GSM_PART)
    return _parts([2 if ord(each) > 0xFFFF else 1 for each in text], _UCS2_ALONE, _UCS2_PART)


def _parts(sizes: list[int], alone: int, part: int) -> int:
    if sum(sizes) <= alone:
        return 1 if sizes else 0
    parts, room = 1, part
    for size in sizes:
        # Neither an escaped character nor a surrogate pair is cut in two.
        if size > room:
            parts, room = parts + 1, part
        room -= size
    return parts
