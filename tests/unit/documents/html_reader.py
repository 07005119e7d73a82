"""Reads a page the way a strict reader would: what is open, what is named, where links lead."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """``faults`` is empty for a page whose elements nest, whose ids differ, whose headings step."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.attributes: set[str] = set()
        self.svgs: list[dict[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()
        self.faults += [f"{tag} is not closed" for tag in self.open]
        self.faults += [f"id {each} twice" for each in set(self.ids) if self.ids.count(each) > 1]
        jumps = zip([0, *self.headings], self.headings, strict=False)
        self.faults += [f"h{b} after h{a}" for a, b in jumps if b > a + 1]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.attributes |= set(found)
        if tag not in VOID:
            self.open.append(tag)
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if tag == "a":
            self.links.append(str(found.get("href")))
        elif found.get("href") or found.get("src"):
            self.loaded.append(str(found.get("href") or found.get("src")))
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.headings.append(int(tag[1]))
        if tag == "svg":
            self.svgs.append(found)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"{tag} closes what is not open")

        if tag in ("td", "th", "dt", "dd", "li"):
            self.text += " "

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data


def words_of(text: str) -> str:
    """What a reader sees, in one line."""
    return " ".join(Page(text).text.split())
