"""The page in a real browser, over a real stream."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from schemas import AnnotatedPost, Post, TaggedPost
from tests.workers.viewer.stand import Stand, tagged
from workers.settings import ViewerSettings
from workers.viewer.server import ViewerServer
from workers.viewer.shown import Place, ShownPost

CARDS = 40


def card(page: Page, text: str) -> Locator:
    return page.locator("article.post", has_text=text)


def shown(number: int, pair: tuple[Post, TaggedPost]) -> ShownPost:
    return ShownPost(Place(0, number), pair[1], pair[0], 0.05)


def test_posts_arrive_with_their_names_marked(page: Page, viewer: ViewerServer, stand: Stand) -> None:
    page.goto(viewer.url)
    stand.publish(
        tagged(
            "🚀 SpaceX sends a Falcon up from Cape Canaveral",
            [("ORG", "SpaceX", 0.98), ("MISC", "Falcon", 0.61), ("LOC", "Cape Canaveral", 0.45)],
            [
                ("http://host/rocket.jpg", 0.83),
                ("http://host/horse.jpg", 0.12),
                ("http://host/gone.jpg", None),
            ],
        )
    )
    post = card(page, "Cape Canaveral")
    expect(post.locator(".entity")).to_have_text(["SpaceXORG 98", "FalconMISC 61", "Cape CanaveralLOC 45"])
    expect(post.locator(".entity.LOC")).to_have_attribute("title", re.compile("LOC, 45 % sure"))
    sure = [
        float(each.evaluate("e => e.style.getPropertyValue('--sure')"))
        for each in post.locator(".entity").all()
    ]
    assert sure == sorted(sure, reverse=True)
    expect(post.locator(".image")).to_have_count(3)
    expect(post.locator(".image.shut")).to_contain_text("unrelated")
    expect(post.locator("[role=meter]").first).to_have_attribute("aria-valuenow", "83")
    expect(post.locator(".image.lost")).to_contain_text("host gave no picture")
    expect(post.locator(".facts")).to_contain_text("small 1.1.0")
    expect(post.locator(".latency")).to_contain_text("ms")


def test_filters_leave_what_they_say(page: Page, viewer: ViewerServer, stand: Stand) -> None:
    page.goto(viewer.url)
    stand.publish(
        tagged("filtered: Ada", [("PER", "Ada", 0.9)]),
        tagged("filtered: Oslo", [("LOC", "Oslo", 0.4)], [("http://host/a.jpg", 0.9)], release="small 2.0.0"),
        tagged("filtered: nobody"),
    )
    posts = page.locator("article.post")
    page.get_by_label("Search in the text").fill("FILTERED:")
    expect(posts).to_have_count(3)
    page.locator(".chip", has_text="LOC").click()
    expect(posts).to_have_count(1)
    expect(posts).to_contain_text("Oslo")
    page.locator(".chip", has_text="LOC").click()
    page.locator("#score").fill("50")
    expect(posts).to_have_count(1)
    expect(posts).to_contain_text("Ada")
    page.locator("#score").fill("0")
    page.get_by_label("Release").select_option("small 2.0.0")
    expect(posts).to_have_count(1)
    page.get_by_label("Release").select_option("")
    page.locator("#relation").select_option("none")
    expect(posts).to_have_count(2)
    # The view is in the address, for who is given it.
    page.goto(page.url)
    expect(posts).to_have_count(2)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#count")).to_contain_text("The last")


def test_no_script_of_a_post_runs(page: Page, viewer: ViewerServer, stand: Stand) -> None:
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.goto(viewer.url)
    evil = '<img src=x onerror="window.broken=1"><script>window.broken=1</script>'
    stand.publish(
        tagged(
            f"hostile {evil}",
            [("PER", evil, 0.9)],
            [("javascript:window.broken=1", 0.9), ('http://evil.example/"onload="window.broken=1', None)],
            name=f"id-{evil}",
            release="<b>small</b> 1",
        )
    )
    post = card(page, "hostile")
    expect(post.locator(".post-text")).to_contain_text(evil)
    post.get_by_role("button", name="Correct").click()
    expect(post.locator(".words")).to_contain_text("onerror")
    page.goto(f"{viewer.url}{post.get_by_role('link', name='link').get_attribute('href')}")
    expect(card(page, "hostile")).to_be_visible()
    assert page.evaluate("window.broken") is None
    assert all(url.startswith(viewer.url) for url in requested)


def test_ten_thousand_posts_do_not_slow_the_page(page: Page, stand: Stand) -> None:
    settings = ViewerSettings(kafka=stand.kafka, viewer_port=0, hide_pictures=True)
    with ViewerServer(settings) as server:
        page.goto(server.url)
        expect(page.locator("#state")).to_have_attribute("data-state", "live")
        for start in range(0, 10_000, 500):
            server.timeline.add(
                [
                    shown(number, tagged(f"flood {number} of London", [("LOC", "London", 0.9)]))
                    for number in range(start, start + 500)
                ]
            )
        expect(card(page, "flood 9999 ")).to_be_visible()
        assert page.locator("article.post").count() == CARDS
        assert page.evaluate("document.querySelectorAll('*').length") < 2_000
        expect(page.locator("#count")).to_contain_text("passed over")
        # It still answers: to a key, and to the next post.
        page.keyboard.press("2")
        expect(page.locator(".chip", has_text="LOC")).to_have_attribute("aria-pressed", "true")
        server.timeline.add([shown(10_000, tagged("behind it London", [("LOC", "London", 0.9)]))])
        expect(card(page, "behind it")).to_be_visible()
        assert page.locator("article.post").count() == CARDS


def test_the_page_comes_back_after_a_restart(page: Page, stand: Stand) -> None:
    settings = ViewerSettings(kafka=stand.kafka, viewer_port=0, hide_pictures=True)
    stand.publish(tagged("seen before the restart"))
    with ViewerServer(settings) as server:
        url = server.url
        page.goto(url)
        expect(card(page, "seen before the restart")).to_have_count(1)
    expect(page.locator("#state")).to_have_attribute("data-state", "reconnecting")
    stand.publish(tagged("came while it was away"))
    port = int(url.rpartition(":")[2])
    with ViewerServer(settings.model_copy(update={"viewer_port": port})):
        expect(card(page, "came while it was away")).to_have_count(1)
        expect(card(page, "seen before the restart")).to_have_count(1)
        expect(page.locator("#state")).to_have_attribute("data-state", "live")


def test_a_correction_by_keyboard_reaches_its_topic(page: Page, viewer: ViewerServer, stand: Stand) -> None:
    stand.publish(
        tagged("😀 keyed: Paris met Ada", [("LOC", "Paris", 0.7)], [("http://host/a.jpg", 0.2)], name="keyed")
    )
    page.goto(viewer.url)
    post = card(page, "keyed:")
    post.focus()
    page.keyboard.press("c")
    words = post.locator(".word")
    words.filter(has_text="Paris").focus()
    page.keyboard.press("Space")
    page.keyboard.press("1")
    words.filter(has_text="met").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("4")
    post.get_by_label("adds to the text").check()
    post.get_by_role("button", name="Send correction").click()
    expect(post.get_by_role("alert")).to_contain_text("who corrects")
    post.get_by_label("Who says so").fill("vera")
    post.get_by_role("button", name="Send correction").click()
    expect(post.get_by_text("Sent.")).to_be_visible()
    annotated = AnnotatedPost.model_validate_json(stand.records(stand.annotations, 1)[-1].value)
    text = annotated.post.text
    assert [(each.type.value, text[each.start : each.end]) for each in annotated.entities] == [
        ("PER", "Paris"),
        ("MISC", "met Ada"),
    ]
    assert (annotated.relations, annotated.annotator) == ((True,), "vera")


def test_a_pause_holds_what_comes(page: Page, viewer: ViewerServer, stand: Stand) -> None:
    page.goto(viewer.url)
    expect(page.locator("#state")).to_have_attribute("data-state", "live")
    page.keyboard.press("p")
    expect(page.locator("#state")).to_have_text("paused")
    stand.publish(tagged("held back"))
    expect(page.locator("#fresh button")).to_contain_text("new post")
    expect(card(page, "held back")).to_have_count(0)
    page.keyboard.press("p")
    expect(card(page, "held back")).to_be_visible()


def test_a_written_post_is_sent(page: Page, viewer: ViewerServer, stand: Stand) -> None:
    page.goto(viewer.url)
    page.get_by_role("button", name="Write a post").click()
    page.get_by_label("Text", exact=True).fill("Written in the browser")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#composer")).to_be_hidden()
    assert "Written in the browser" in [
        Post.model_validate_json(record.value).text for record in stand.records(stand.raw, 1)
    ]


CONTRAST = Path(__file__).with_name("contrast.js").read_text("utf-8")


def test_every_text_has_contrast_in_both_themes(page: Page, viewer: ViewerServer, stand: Stand) -> None:
    stand.publish(
        tagged(
            "contrast: Ada Oslo Nasa Nobel",
            [("PER", "Ada", 1.0), ("LOC", "Oslo", 1.0), ("ORG", "Nasa", 1.0), ("MISC", "Nobel", 1.0)],
            [("http://host/a.jpg", 0.2), ("http://host/b.jpg", None)],
        )
    )
    page.goto(viewer.url)
    card(page, "contrast:").get_by_role("button", name="Correct").click()
    page.locator(".chip", has_text="LOC").first.click()
    expect(page.locator("#types-legend")).to_contain_text("LOC")
    for theme in ("light", "dark"):
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        assert page.evaluate(CONTRAST) == []
        page.get_by_role("button", name="Write a post").click()
        assert page.evaluate(CONTRAST) == []
        page.get_by_role("button", name="Close").click()
        page.get_by_role("button", name=re.compile("Dark|Light")).click()


def test_a_text_that_lacks_contrast_is_found(page: Page) -> None:
    page.set_content('<p style="background: #fff; color: #8a8a8a">3.45 to 1</p>')
    assert page.evaluate(CONTRAST) != []


def test_a_narrow_screen_has_no_sideways_scrolling(
    browser: Browser, viewer: ViewerServer, stand: Stand
) -> None:
    stand.publish(
        tagged("narrow " + "x" * 300, images=[("http://host/a.jpg", 0.2), ("http://host/b.jpg", 0.9)])
    )
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(viewer.url)
    expect(card(page, "narrow")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()
