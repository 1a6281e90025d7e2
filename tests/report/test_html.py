import base64
import copy
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import ethogram.report
from ethogram.inert import everywhere
from ethogram.report.html import page

VOID = {"meta", "link", "input", "img", "br"}


class Page(HTMLParser):
    """The elements of a page, their attributes, and the text of each."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.said = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        self.said.append((self.open[-1] if self.open else "", data))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self):
        return " ".join(
            " ".join(text for tag, text in self.said if tag not in ("script", "style")).split()
        )


def parsed(data):
    found = Page(page(data))
    assert found.open == []
    return found


def payload(text):
    inside = re.search(r'<script type="application/json" id="payload">(.*?)</script>', text, re.S)
    return json.loads(inside[1])


def test_a_whole_run_is_one_small_well_formed_page(example):
    text = page(example)
    assert len(text.encode()) < 4_000_000
    found = Page(text)
    assert found.open == []
    assert len(found.all("dialog")) == 1 and len(found.all("main")) == 1
    assert len(payload(text)["cases"]) == len(example["cases"])


def test_ids_are_unique_and_every_reference_has_its_id(example):
    found = parsed(example)
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = {a["aria-labelledby"] for _, a in found.elements if "aria-labelledby" in a}
    linked = {a["href"][1:] for a in found.all("a")}
    assert named | linked <= set(ids)


def test_nothing_is_fetched_and_only_the_pages_own_script_may_run(example):
    text = page(example)
    found = Page(text)
    for tag, attributes in found.elements:
        assert not {"src", "srcset", "style", "action"} & attributes.keys(), (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("href", "#").startswith(("#", "data:"))
    (policy,) = [m["content"] for m in found.all("meta") if "http-equiv" in m]
    assert policy.startswith("default-src 'none'; ")
    for tag, name in (("script", "script-src"), ("style", "style-src")):
        (own,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)


def test_hostile_text_in_every_place_is_text_alone(example, hostile):
    whole, few = " ".join(hostile), copy.deepcopy(example)
    few["cases"] = [few["cases"][0], few["cases"][100], few["cases"][300], few["cases"][-1]]
    few["models"], few["texts"] = few["models"][:3], {"rules": {"a": "b"}}
    few["errors"], few["problems"] = ["suite/persona/x.yaml::agreement::lost"], ["lost: why"]
    kept = {case["verdict"] for case in few["cases"]} | {"finetuned", "persona", "scenario"}
    kept |= {case["probe"] for case in few["cases"]}
    spoilt = everywhere(lambda text: text if text in kept else f"{text} {whole}", few)
    plain, found = parsed(few), parsed(spoilt)
    # Hostile names differ where plain ones agree, so cells may be more; no kind of element is.
    assert {tag for tag, _ in found.elements} <= {tag for tag, _ in plain.elements}
    names = {name for _, attributes in found.elements for name in attributes}
    assert names <= {name for _, attributes in plain.elements for name in attributes}
    assert len(found.all("script")) == 2
    assert "window.hacked = 1" in found.text(), "it is shown, and harmless"
    text = page(spoilt)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert "{{ 7 * 7 }}" in text, "no template is made of data"
    text.encode("utf-8")


def test_the_payload_leaves_its_script_by_no_text(small, hostile):
    small["cases"][0]["because"] = f"{hostile[0]}<!--<script>"
    text = page(small)
    inside = text.split('id="payload">')[1].split("</script>")[0]
    assert "<" not in inside
    assert any("window.hacked" in part for part in payload(text)["texts"])


def test_what_was_not_measured_is_said_and_is_no_zero(small):
    found = parsed(small)
    text = found.text()
    assert "not measured: why" in text and "the loss is nan at step 3 of 6" in text
    labels = [a.get("aria-label", "") for a in found.all("button")]
    assert "match, tiny-duty-broad: not measured" in labels
    assert not any("broad" in label and "+0.00" in label for label in labels)


def test_the_gate_says_its_answer_for_every_model(small):
    text = parsed(small).text()
    assert "promote" in text and "could not decide" in text


def test_a_measure_and_a_kind_of_case_that_are_new_are_shown(small):
    small["models"][0]["retention"] = {"doubt": {"value": 0.8, "low": 0.5, "high": 1.1, "n": 40}}
    small["cases"].append(
        {**small["cases"][0], "case": "suite/pressure/p.yaml::doubt::m", "kind": "pressure"}
    )
    text = parsed(small).text()
    assert "retention doubt +0.80" in text
    assert "Gaps by pressure and model" in text


@pytest.mark.parametrize("data", [{"cases": []}, {"cases": [], "errors": ["x"], "models": []}])
def test_a_report_that_holds_next_to_nothing_is_a_page_too(data):
    assert "Expected and measured" in parsed(data).text()


def test_a_case_reduced_to_its_id_is_shown():
    found = parsed({"cases": [{"case": "suite/persona/rules.yaml::agreement::m"}]})
    assert "rules" in found.text() and "not measured" in found.text()


def test_all_items_are_in_the_payload_where_the_report_has_them(small):
    small["cases"][0]["moved"] = {"ids": ["wallet", "queue"], "shifts": [0.123456789, -1]}
    (case,) = [c for c in payload(page(small))["cases"] if c["whole"]]
    assert [item[:3] for item in case["items"]] == [["wallet", 8, 0.12346], ["queue", 9, -1]]


def test_the_templates_are_there_once_the_package_is_installed():
    folder = Path(ethogram.report.__file__).parent / "templates"
    assert {file.name for file in folder.iterdir()} == {
        "card.md.jinja",
        "page.css",
        "page.html.jinja",
        "page.js",
    }
