"""What stands around the posts: figures, links, keys, the form for a post of one's own."""

from __future__ import annotations

import re

from playwright.sync_api import FilePayload, Locator, Page, expect

from schemas import Post
from tests.workers.viewer.client import ask
from tests.workers.viewer.stand import Stand, tagged
from workers.local.samples import picture_bytes
from workers.settings import ViewerSettings
from workers.viewer.server import ViewerServer

HISTORY = 60


def card(page: Page, text: str) -> Locator:
    return page.locator("article.post", has_text=text)


def bare(stand: Stand, history: int = 500) -> ViewerSettings:
    return ViewerSettings(kafka=stand.kafka, viewer_port=0, hide_pictures=True, history=history)


def test_the_figures_are_those_of_the_posts(page: Page, empty_stand: Stand) -> None:
    empty_stand.publish(
        tagged("Zoe met Bo", [("PER", "Zoe", 0.9), ("PER", "Bo", 0.8)], [("http://host/a.jpg", 0.9)]),
        tagged("Zoe in Oslo", [("PER", "Zoe", 0.9), ("LOC", "Oslo", 0.6)], [("http://host/b.jpg", 0.1)]),
        tagged("Bergen", [("LOC", "Bergen", 0.7)], [("http://host/c.jpg", 0.2)]),
    )
    with ViewerServer(bare(empty_stand)) as server:
        page.goto(server.url)
        types = page.locator("#types-chart")
        expect(types).to_have_attribute("aria-label", "PER 3, LOC 2, ORG 0, MISC 0")
        expect(page.locator("#throughput")).to_have_attribute(
            "aria-label", "3 posts in the last five minutes"
        )
        expect(page.locator("#top li").first).to_have_text("Zoe2")
        histogram = page.locator("#histogram")
        expect(histogram).to_have_attribute("aria-label", re.compile("3 pictures, 33"))
        expect(histogram.locator("i").nth(9)).to_have_attribute("title", "1 between 0.9 and 1")
        expect(page.locator("#latency")).to_contain_text("s")
        # Those of the posts shown follow the filters, those of all results don't.
        page.locator("#top button", has_text="Oslo").click()
        expect(page.locator("article.post")).to_have_count(1)
        expect(histogram).to_have_attribute("aria-label", re.compile("1 pictures, 0"))
        expect(types).to_have_attribute("aria-label", "PER 3, LOC 2, ORG 0, MISC 0")


def test_the_most_named_are_eight_and_names_of_two_types_are_two(page: Page, empty_stand: Stand) -> None:
    names = [f"Zoe{letter}" for letter in "abcdefgh"]
    empty_stand.publish(
        *(tagged(f"{name} and {name}", [("PER", name, 0.9)]) for name in names),
        *(tagged("Paris sings", [("PER", "Paris", 0.9)]) for _ in range(2)),
        *(tagged("in Paris", [("LOC", "Paris", 0.9)]) for _ in range(3)),
    )
    with ViewerServer(bare(empty_stand)) as server:
        page.goto(server.url)
        top = page.locator("#top li")
        # The last two of those that were named once are left out.
        expect(top).to_have_text(["Paris3", "Paris2", *(f"{name}1" for name in names[:6])])
        expect(top.locator("button")).to_have_count(8)
        expect(top.first.locator("button")).to_have_class("LOC")
        top.nth(1).locator("button").click()
        expect(page.get_by_label("Search in the text")).to_have_value("Paris")
        expect(page.locator("article.post")).to_have_count(5)
        # Those of the posts that are left.
        expect(top).to_have_text(["Paris3", "Paris2"])


def test_the_page_keeps_no_more_posts_than_the_history(page: Page, empty_stand: Stand) -> None:
    empty_stand.publish(*(tagged(f"kept {number} here") for number in range(HISTORY)))
    with ViewerServer(bare(empty_stand, HISTORY)) as server:
        page.goto(server.url)
        count = page.locator("#count")
        expect(count).to_have_text(f"The last {HISTORY} posts")
        empty_stand.publish(*(tagged(f"later {number} here") for number in range(10)))
        expect(card(page, "later 9 here")).to_be_visible()
        page.get_by_role("button", name="Show older posts").click()
        expect(page.locator("article.post")).to_have_count(HISTORY)
        expect(count).to_contain_text(f"The last {HISTORY} posts")


def test_a_link_shows_its_post_alone(page: Page, viewer: ViewerServer, stand: Stand) -> None:
    stand.publish(tagged("linked to"), tagged("beside it"))
    page.goto(viewer.url)
    card(page, "linked to").get_by_role("link", name="link").click()
    expect(card(page, "linked to")).to_be_visible()
    expect(page.locator("#filters")).to_be_hidden()
    address = page.url
    page.keyboard.press("2")
    assert page.url == address
    # As who was given the link finds it.
    page.goto(address)
    expect(card(page, "linked to")).to_be_visible()
    stand.publish(tagged("came meanwhile: Zoe", [("PER", "Zoe", 0.9)]))
    # It has arrived.
    expect(page.locator("#top")).to_contain_text("Zoe")
    expect(page.locator("article.post")).to_have_count(1)
    page.get_by_role("link", name="All posts").click()
    expect(card(page, "came meanwhile")).to_be_visible()
    expect(card(page, "beside it")).to_be_visible()


def test_a_link_to_a_post_that_is_gone_says_so_and_leads_back(
    page: Page, viewer: ViewerServer, stand: Stand
) -> None:
    stand.publish(tagged("still here"))
    page.goto(f"{viewer.url}/posts/0-999999")
    expect(page.locator("#posts")).to_contain_text("no result stands at 0-999999")
    expect(page.locator("article.post")).to_have_count(0)
    page.get_by_role("link", name="All posts").click()
    expect(card(page, "still here")).to_be_visible()


def test_the_keys_do_what_the_help_says(page: Page, viewer: ViewerServer, stand: Stand) -> None:
    stand.publish(tagged("keys: older"), tagged("keys: newer"))
    page.goto(viewer.url)
    expect(card(page, "keys: newer")).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_label("Search in the text")).to_be_focused()
    page.keyboard.type("keys:")
    expect(page.locator("article.post")).to_have_count(2)
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(card(page, "keys: newer")).to_be_focused()
    page.keyboard.press("j")
    expect(card(page, "keys: older")).to_be_focused()
    page.keyboard.press("k")
    expect(card(page, "keys: newer")).to_be_focused()
    page.keyboard.press("?")
    expect(page.locator("#about")).to_be_hidden()
    page.keyboard.press("d")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    # Who chose is not asked again.
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("#about")).to_be_hidden()
    # Then it hears keys again.
    expect(card(page, "keys: newer")).to_be_visible()
    page.keyboard.press("n")
    expect(page.locator("#composer")).to_be_visible()


def test_a_written_post_takes_its_picture_along(page: Page, viewer: ViewerServer, stand: Stand) -> None:
    rocket = picture_bytes("rocket.jpg")
    page.goto(viewer.url)
    page.get_by_role("button", name="Write a post").click()
    page.get_by_label("Text", exact=True).fill("Written with a picture")
    page.get_by_label("Picture", exact=True).set_input_files(
        FilePayload(name="rocket.jpg", mimeType="image/jpeg", buffer=rocket)
    )
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#composer")).to_be_hidden()
    written = [Post.model_validate_json(record.value) for record in stand.records(stand.raw, 1)]
    (url,) = next(post.pictures for post in written if post.text == "Written with a picture")
    assert ask(url).body == rocket
