"""Two hundred posts of our own writing, in several scripts."""

from __future__ import annotations

from itertools import product

_SENTENCES = (
    "Just landed in {place}, the {name} is even bigger than I thought ✈️",
    "RT @traveller: {name} closed today, says the mayor of {place} http://news.example/a1",
    "#{place} at night 🌃 … {name}, I missed you!!",
    "Does anyone know if the {name} in {place} opens on Sundays?",
    "The {place} orchestra plays at the {name}; tickets from 20€ 🎻",
    "Breaking: {name} and {place} sign a deal – details to follow",
    "my cousin's café near {name} (that's in {place}) has the best cake 🍰👩🏽‍🍳",
    "“{name}”, a film about {place}, won again",
    "{place}'da bu akşam {name} konseri var, kaçırmayın!",
    "¿Quién va a {place} este fin de semana? ¡{name} nos espera! 🇪🇸",
    "Не могу поверить, что {name} приедет в {place} ❄️",
    "Στην {place} με τον {name}, τι όμορφη μέρα ☀️",
    "{place}で{name}を見ました。とても楽しかったです🎌",
    "我们在{place}看到了{name}，太棒了！",
    "زرنا {name} في {place} أمس وكان الجو رائعا ☕",
    "{place} में {name} का कार्यक्रम बहुत अच्छा था 🙏",
    "{place}에서 {name}을 만났어요 🥳",
    "ที่{place} มี{name} ด้วยนะ 🐘",
    "ב{place} פגשנו את {name} 👨‍👩‍👧‍👦",
    "e\u0301te\u0301 a\u0300 {place}, {name} nous manque déjà…",
)
_SUBJECTS = (
    ("Lisbon", "Gulbenkian Museum"),
    ("Nairobi", "Kenyatta Centre"),
    ("Kraków", "Wisława Szymborska"),
    ("São Paulo", "Pinacoteca"),
    ("Tōkyō", "Akira Kurosawa"),
    ("Montréal", "Leonard Cohen"),
    ("Zürich", "ETH"),
    ("New York", "NASA"),
    ("Reykjavík", "Harpa"),
    ("Cape Town", "Miriam Makeba"),
)


def two_hundred_posts(urls: list[str]) -> list[dict[str, object]]:
    """The posts as a producer would write them: none, one, two or four of the pictures each."""
    posts: list[dict[str, object]] = []
    for number, (sentence, (place, name)) in enumerate(product(_SENTENCES, _SUBJECTS)):
        post: dict[str, object] = {"id": f"post-{number}", "text": sentence.format(place=place, name=name)}
        count = (0, 1, 1, 2, 4)[number % 5]
        pictures = [urls[(number + step) % len(urls)] for step in range(count)]
        if count == 1:
            post["image_url"] = pictures[0]
        elif pictures:
            post["image_urls"] = pictures
        posts.append(post)
    return posts
