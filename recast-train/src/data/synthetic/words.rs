//! The words of generated titles.

/// Departments and the kinds of things they sell.
pub(super) const DEPARTMENTS: [(&str, [&str; 8]); 8] = [
    (
        "Lighting",
        [
            "Floor Lamp",
            "Table Lamp",
            "Pendant",
            "Lantern",
            "Wall Light",
            "Spotlight",
            "Candle Holder",
            "Night Light",
        ],
    ),
    (
        "Furniture",
        ["Armchair", "Bookcase", "Side Table", "Stool", "Sideboard", "Bench", "Sofa", "Coat Rack"],
    ),
    (
        "Kitchen",
        [
            "Kettle",
            "Mug",
            "Cutting Board",
            "Saucepan",
            "Teapot",
            "Mixing Bowl",
            "Spice Rack",
            "Carafe",
        ],
    ),
    (
        "Garden",
        [
            "Planter",
            "Watering Can",
            "Trellis",
            "Bird Feeder",
            "Fire Bowl",
            "Hammock",
            "Rake",
            "Trowel",
        ],
    ),
    (
        "Office",
        [
            "Desk",
            "Pen Tray",
            "Notebook",
            "Desk Chair",
            "File Box",
            "Bookend",
            "Whiteboard",
            "Clock",
        ],
    ),
    (
        "Bedroom",
        ["Duvet", "Pillow", "Bed Frame", "Blanket", "Wardrobe", "Mirror", "Nightstand", "Quilt"],
    ),
    (
        "Bathroom",
        [
            "Towel",
            "Bath Mat",
            "Soap Dish",
            "Shower Shelf",
            "Robe",
            "Basin",
            "Laundry Basket",
            "Hand Mirror",
        ],
    ),
    (
        "Travel",
        ["Suitcase", "Backpack", "Wash Bag", "Duffel", "Tote", "Wallet", "Flask", "Umbrella"],
    ),
];

/// Styles, which things that go together share.
pub(super) const STYLES: [&str; 24] = [
    "Nordic",
    "Coastal",
    "Rustic",
    "Urban",
    "Vintage",
    "Alpine",
    "Tropical",
    "Classic",
    "Bohemian",
    "Industrial",
    "Modern",
    "Baroque",
    "Desert",
    "Harbour",
    "Orchard",
    "Lunar",
    "Victorian",
    "Prairie",
    "Moorish",
    "Polar",
    "Tuscan",
    "Gothic",
    "Festive",
    "Botanic",
];

/// Materials, which things are made of.
pub(super) const MATERIALS: [&str; 12] = [
    "Ash", "Oak", "Linen", "Brass", "Copper", "Ceramic", "Glass", "Wool", "Bamboo", "Leather",
    "Steel", "Marble",
];
