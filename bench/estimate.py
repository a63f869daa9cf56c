"""How near the estimate of a request's input tokens comes to what is billed: by script, and by the model's family.

What is billed for a text was counted with OpenAI's public tokenizer `o200k_base` (the package gpt-tokenizer), once: the
counts stand here, so that the bench needs no download. What is billed for an image is OpenAI's own table of costs.
"""

from typing import Final

from bench.measured import Aim, Measured, Measurement
from nightshift.providers.estimate import image_tokens, text_tokens

# Of each script a text, and its tokens.
TEXTS: Final = {
    "English": (
        "The quick brown fox jumps over the lazy dog near the river bank, and nobody notices that an empty glass "
        "bottle lies there. Please tell me what kind of waste this is.",
        35,
    ),
    "German": (
        "Eine leere Glasflasche liegt neben dem Fluss, und niemand bemerkt sie. Bitte sagen Sie mir, welche Art von "
        "Abfall das ist und wie groß sie wohl wäre.",
        37,
    ),
    "Vietnamese": (
        "Một chai thủy tinh rỗng nằm bên bờ sông và không ai để ý. Xin cho tôi biết đây là loại rác gì.",
        31,
    ),
    "Russian": (
        "Пустая стеклянная бутылка лежит у реки, и никто её не замечает. Скажите, пожалуйста, какой это вид мусора.",  # noqa: RUF001
        32,
    ),
    "Arabic": ("زجاجة فارغة ملقاة بجانب النهر ولا أحد يلاحظها. من فضلك أخبرني ما نوع هذه النفايات.", 31),
    "Hindi": (
        "नदी के किनारे एक खाली काँच की बोतल पड़ी है और कोई ध्यान नहीं देता। कृपया बताएं कि यह किस प्रकार का कचरा है।",
        37,
    ),
    "Thai": ("มีขวดแก้วเปล่าวางอยู่ริมแม่น้ำและไม่มีใครสังเกตเห็น กรุณาบอกฉันว่านี่คือขยะประเภทใด", 37),
    "Korean": (
        "강가에 빈 유리병이 놓여 있지만 아무도 알아차리지 못합니다. 이것이 어떤 종류의 쓰레기인지 알려 주세요.",
        31,
    ),
    "Japanese": (
        "川のほとりに空のガラス瓶がありますが、誰も気づいていません。これはどの種類のゴミか教えてください。",
        34,
    ),
    "Chinese": (
        "河边有一个空玻璃瓶，没有人注意到它。请告诉我这是什么种类的垃圾，应该如何处理。這個瓶子是綠色的，標籤已經脫落。",  # noqa: RUF001
        47,
    ),
    "Amharic": ("ባዶ የመስታወት ጠርሙስ በወንዙ ዳር ተኝቷል ማንም አያስተውለውም።", 75),
    "emoji": ("🍾🗑️♻️😀🎉👩‍👩‍👧🚮🧴", 25),
}
# Of a photo of 2,048 x 1,536 at high detail: https://platform.openai.com/docs/guides/images-vision#calculating-costs
PHOTOS: Final = {
    "gpt-4o": 765,
    "gpt-4o-mini-2024-07-18": 25_501,
    "gpt-4.1": 765,
    "gpt-4.1-mini": 2_489,
    "gpt-4.1-nano": 3_779,
    "gpt-5": 630,
    "gpt-5-mini": 2_489,
    "gpt-5-nano": 3_779,
    "o3": 675,
    "o4-mini": 2_642,
}
# An estimate may be too high by this factor, and too low by its inverse: then a lane is overfilled.
MOST: Final = 2.0
LEAST: Final = 0.8


async def ask() -> Measured:
    """Estimate every text and photo."""
    rows = [(f"a text in {script}", text_tokens(text), billed) for script, (text, billed) in TEXTS.items()]
    rows += [(f"a photo for {model}", image_tokens(model), billed) for model, billed in PHOTOS.items()]
    ratios = [estimated / billed for _, estimated, billed in rows]
    measurements = [
        Measurement(
            name=name,
            measured=f"{estimated:,} tokens",
            floor=f"{billed:,} billed",
            number=estimated / billed,
            aim=Aim(sign="≤", bound=MOST),
            is_computed=True,
        )
        for name, estimated, billed in rows
    ]
    lowest = Measurement(
        name="the lowest of these ratios",
        measured=f"{min(ratios):.2f}",
        number=min(ratios),
        aim=Aim(sign="≥", bound=LEAST),
        is_computed=True,
    )
    return Measured(
        question="How near do estimated input tokens come to billed ones?",
        measurements=[*measurements, lowest],
        notes=["Text as `o200k_base` counts it; a photo of 2,048 x 1,536 at high detail, by OpenAI's table."],
    )
