//! The phrases that reviews are made of; `#` stands for the product's item, at most once in a phrase.
//!
//! Order and number are part of the format: a change here changes what every seed gives, the sample's too.

pub(crate) const FOOTWEAR: &[&str] = &[
    "boots",
    "sneakers",
    "sandals",
    "loafers",
    "running shoes",
    "slippers",
    "hiking boots",
    "heels",
    "flats",
    "clogs",
];

pub(crate) const CLOTHES: &[&str] = &[
    "jeans",
    "joggers",
    "leggings",
    "shorts",
    "pants",
    "overalls",
    "pajamas",
    "gloves",
    "sunglasses",
    "tights",
];

pub(crate) const GOOD: &[&str] = &[
    "These # are everything I hoped for.",
    "I have worn them almost every day since they came.",
    "The # look even better than in the pictures.",
    "They feel sturdy and well made, and nothing has come loose yet.",
    "I get asked where I found these # at least once a week.",
    "Worth every cent.",
    "My third pair, and I will be back for a fourth.",
    "The colour is rich and has not faded in the wash.",
    "They were comfortable from the first hour, no breaking in at all.",
    "I was not sure about buying # online, but these won me over.",
    "The material is soft without feeling thin.",
    "I took them on a long trip and did not regret it for a minute.",
    "Exactly what was described, and they arrived early too.",
    "My partner stole mine, so I had to order another pair of #.",
    "Neat stitching, solid seams and no strange smell out of the box.",
    "If you are hesitating over these #, stop hesitating.",
    "They go with almost everything in my closet.",
    "Great value compared with what the big names ask.",
];

pub(crate) const MIXED: &[&str] = &[
    "The # are fine, but nothing special.",
    "I like the look more than the feel.",
    "Good for the price, though I would not pay more.",
    "They run a little small, so I kept the larger of two sizes.",
    "The # are comfortable, but they already show some wear.",
    "The colour is a shade darker than I expected.",
    "Decent for an hour or two, less so for a whole day.",
    "I wanted to love these #, and I only like them.",
    "They do the job, and that is about all I can say.",
    "One seam was crooked, but you have to look closely to see it.",
    "Shipping took longer than promised, the product itself is okay.",
    "Perhaps better for somebody with narrower feet or shorter legs.",
];

pub(crate) const BAD: &[&str] = &[
    "The # fell apart after two weeks.",
    "The size chart is simply wrong.",
    "I sent them back the same day.",
    "They are stiff, scratchy and nothing like the pictures.",
    "The # that arrived were a different colour from what I ordered.",
    "For this price I expected much better.",
    "The seam split the second time I put them on.",
    "I could not wear these # for more than ten minutes.",
    "The dye came off on everything they touched.",
    "Customer service was polite but could not help.",
    "They look cheap, and they feel cheaper.",
    "My old # were half the price and lasted three times as long.",
    "Save yourself the trouble of returning them.",
    "The smell has not gone away after three washes.",
];

pub(crate) const NEUTRAL: &[&str] = &[
    "I am between sizes and went up by one.",
    "I ordered these # for work.",
    "I usually wear a medium and took a medium.",
    "It took about a week for them to arrive.",
    "I bought them as a gift for my brother.",
    "I am 5'7 and on the slim side, for reference.",
    "I mostly wear # on weekends.",
    "They came in a plain box with very little plastic.",
    "I washed them cold and let them dry in the air.",
    "I have had them for a month now.",
    "The weather here is wet for most of the year.",
    "I walk about five miles a day.",
    "I compared them with two other brands before ordering.",
    "My last pair of # came from the same shop.",
    "I wore them to a wedding, of all places.",
    "The laces, tags and buttons were all there.",
];

pub(crate) const BODIES_SHORT: &[&str] = &[
    "Love them!",
    "Perfect.",
    "ok",
    "Not for me.",
    "Great fit, great price",
    "Meh",
    "Would buy again!!",
    "Too small.",
    "As described.",
    "They  are  fine.",
    "Five stars from the whole family",
    "Returned them, sorry.",
    "\u{1F44D}",
    "10/10",
];

pub(crate) const QUOTING: &[&str] = &[
    "My sister took one look and said \"finally, something that suits you\".",
    "The label says \"one size fits most\", and I am not most.",
    "\"Waterproof\" is a bold word for it.",
    "They are advertised as 12\" long and measure closer to 11\".",
    "As my grandfather would say: \"buy cheap, buy twice\".",
    "\"\"\"Premium\"\"\" is what the box says, three quotes and all.",
];

pub(crate) const SUMMARIES_GOOD: &[&str] = &[
    "Love these #",
    "Great buy",
    "Exactly what I wanted",
    "Best # I have owned",
    "So comfortable",
    "Would buy again",
    "Five stars",
    "Better than expected",
    "My new favourite #",
    "Well made and good looking",
    "A great everyday choice",
    "Very happy with these #",
];

pub(crate) const SUMMARIES_MIXED: &[&str] = &[
    "Just okay",
    "Good, not great",
    "Decent # for the price",
    "Mixed feelings",
    "Nice look, average feel",
    "Check the size first",
    "Not bad",
    "Could be better",
];

pub(crate) const SUMMARIES_BAD: &[&str] = &[
    "Disappointed",
    "Not worth it",
    "Avoid these #",
    "Fell apart",
    "Wrong size, wrong colour",
    "Sent them back",
    "Poor quality",
    "Expected more",
];

pub(crate) const SUMMARIES_LONG: &[&str] = &[
    "I have bought these # three times now and every single pair has held up for years",
    "Please read the whole review before you decide whether these # are the right ones for you",
    "They look the same as my old ones, they feel the same as my old ones, but they are not the same",
    "An honest opinion after six months of wearing these # to work, on the bus, and around the house",
    "If you are looking for something that lasts longer than a season, then this is what you should get",
];

pub(crate) const SUMMARIES_QUOTING: &[&str] = &[
    "\"True to size\", they said",
    "The so-called \"relaxed\" fit",
    "My kids call them \"dad #\"",
    "Measured 9\", not 10\"",
];

pub(crate) const SCRIPTS: &[&str] = &[
    "¡Me encantan, volvería a comprarlos sin dudarlo!",
    "Très bon achat, la matière est agréable.",
    "Größe passt genau, schöne Verarbeitung.",
    "Świetna jakość, polecam każdemu.",
    "Отличное качество, рекомендую.",
    "Πολύ άνετα, τα φοράω κάθε μέρα.",
    "とても気に入っています。",
    "质量很好，下次还会买。",
    "생각보다 훨씬 편해요.",
    "המידה מושלמת, ממליצה בחום.",
    "المقاس مناسب والجودة ممتازة.",
    "So soft \u{1F60D}\u{1F44D}\u{1F3FD} the whole family approves \u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}\u{200D}\u{1F466}",
    "Wore them to the cafe\u{301} and back \u{2615}",
    "Cozy \u{1F525}\u{1F525}\u{1F525}",
];

pub(crate) const NAMES_SCRIPTS: &[&str] = &[
    "Zoë",
    "José María",
    "Łukasz",
    "Åsa",
    "Søren",
    "Νίκος",
    "Дарья",
    "さくら",
    "小明",
    "지우",
    "שירה",
    "ليلى",
    "Rene\u{301}e",
    "\u{1F98A}fox",
];

pub(crate) const NAMES_QUOTING: &[&str] =
    &["Bob \"Boots\" K.", "the \"picky\" one", "Dana O'Neil  Jr.", "\"Ace\"", "Kim, the 2nd \"K\""];

pub(crate) const HANDLE_FIRST: &[&str] = &[
    "quiet", "sunny", "brave", "clever", "lucky", "misty", "gentle", "rapid", "amber", "cedar", "hazel",
    "silver", "velvet", "copper", "maple", "river", "north", "early", "little", "honest",
];

pub(crate) const HANDLE_SECOND: &[&str] = &[
    "harbor", "walker", "otter", "falcon", "garden", "pebble", "lantern", "meadow", "badger", "kettle",
    "sparrow", "anchor", "willow", "thimble", "rocket", "biscuit", "compass", "tailor", "runner", "shopper",
];

pub(crate) const RESPONSES: &[&str] = &[
    "Thank you for taking the time to write to us!",
    "We are glad that you like them.",
    "Sorry to hear that. Please write to our support and we will make it right.",
    "Thanks for the hint about the sizes, we have passed it on.",
    "We would love to send you a replacement; please get in touch.",
    "Thank you!  Enjoy them.",
];
