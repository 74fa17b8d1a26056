"""The words that the bundled model knows, beside numbers and operators.

Plain lists by kind; `training.sentences` makes sentences of them. They give the model a vocabulary in which "the
top 50 tokens" of a neuron means something.
"""

NAMES = """Paul Mary Tom Anna Peter Lucy Omar Nina Carlos Emma Ravi Julia Ben Sofia Hugo Mia Leo Clara Adam Ruth
Felix Iris Oscar Alice Simon Laura Victor Diana Martin Eva Jonas Rosa Daniel Grace Samuel Helen Marco Olga Ivan
Sara""".split()

ANIMALS = """dog cat horse cow sheep goat pig hen duck goose rabbit mouse rat fox wolf bear lion tiger deer elephant
monkey camel donkey frog snake turtle eagle owl crow pigeon sparrow swan whale shark salmon trout bee ant spider
butterfly""".split()

OBJECTS = """pen cup book chair table lamp box bag bottle plate knife fork spoon bowl key clock coin ball hat coat
shoe sock shirt ring rope nail hammer saw brush mirror pillow blanket candle basket bucket ladder drum flute violin
guitar camera phone radio map letter ticket stamp card toy doll kite bicycle boat wheel brick stone stick leaf shell
button needle pencil pot pan towel pipe bell flag tent net""".split()

FOODS = """bread butter cheese milk rice soup salad meat fish honey sugar salt pepper tea coffee juice water wine jam
cake pasta pizza corn garlic onion""".split()

FRUITS = """apple pear plum orange lemon banana cherry grape peach melon fig berry potato carrot tomato cucumber bean
olive nut egg""".split()

PLACES = """garden kitchen house school market street park river forest beach mountain valley village city bridge
station harbor island field farm library museum church castle tower hotel office shop factory hospital theater
restaurant airport desert lake ocean room cellar attic yard""".split()

MATERIALS = "wood iron glass paper leather cotton silk wool gold silver copper clay steel plastic".split()

COLORS = "red blue green yellow black white brown grey pink purple".split()

PEOPLE = """farmer baker teacher doctor sailor soldier king queen child boy girl neighbor friend stranger student
writer singer dancer cook judge lawyer engineer scientist poet actor merchant hunter fisherman shepherd
tailor""".split()

FAMILY = "mother father sister brother aunt uncle cousin grandmother grandfather daughter son wife husband".split()

ADJECTIVES = """old young big small tall short heavy light long round empty full clean dirty broken new cheap
expensive soft hard smooth rough warm cold sharp quiet loud bright dark beautiful ugly strange simple happy sad angry
tired hungry lazy brave clever kind gentle strong weak rich poor famous careful patient wild tame sleepy proud shy
wise""".split()

ADVERBS = """slowly quickly quietly loudly carefully suddenly often never always rarely gladly sadly early late
today yesterday together alone again outside""".split()

ANIMAL_VERBS = """slept ran jumped waited rested hid walked vanished woke played""".split()

PERSON_VERBS = """laughed sang danced smiled worked traveled listened cried whispered cheered prayed studied wandered
returned arrived hesitated""".split()

OBJECT_VERBS = """found lost bought sold carried painted cleaned broke repaired hid washed dropped wanted borrowed
stole kept opened moved noticed admired described forgot""".split()

FOOD_VERBS = "ate cooked served tasted ordered shared prepared liked".split()

PREPOSITIONS = ["in", "near", "behind", "beside", "outside", "across", "around", "towards", "above", "below"]

WEATHER = "rain snow wind fog sunshine thunder frost ice hail storms".split()

MONTHS = """January February March April May June July August September October November December""".split()

DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()

TIMES = "morning evening night winter summer spring autumn week year day".split()

FEELINGS = "joy fear hope anger love pride doubt grief peace trust hate envy".split()

SCHOOL = "history music science grammar physics chemistry geography art biology poetry".split()

BODY = "hand head foot arm leg eye ear nose mouth finger shoulder knee back neck hair".split()

CONJUNCTIONS = "because while although before after until when since".split()

CAPITALS = {
    "France": "Paris",
    "Italy": "Rome",
    "Spain": "Madrid",
    "Germany": "Berlin",
    "Austria": "Vienna",
    "Greece": "Athens",
    "Portugal": "Lisbon",
    "Poland": "Warsaw",
    "Norway": "Oslo",
    "Sweden": "Stockholm",
    "Finland": "Helsinki",
    "Denmark": "Copenhagen",
    "Ireland": "Dublin",
    "Hungary": "Budapest",
    "Russia": "Moscow",
    "Japan": "Tokyo",
    "China": "Beijing",
    "Egypt": "Cairo",
    "Kenya": "Nairobi",
    "Cuba": "Havana",
    "Peru": "Lima",
    "Chile": "Santiago",
    "Canada": "Ottawa",
    "Turkey": "Ankara",
    "Iran": "Tehran",
}

LANGUAGES = {
    "France": "French",
    "Italy": "Italian",
    "Spain": "Spanish",
    "Germany": "German",
    "Greece": "Greek",
    "Portugal": "Portuguese",
    "Poland": "Polish",
    "Norway": "Norwegian",
    "Sweden": "Swedish",
    "Denmark": "Danish",
    "Russia": "Russian",
    "Japan": "Japanese",
    "China": "Chinese",
    "Turkey": "Turkish",
    "Finland": "Finnish",
}

COLOR_OF = {
    "snow": "white",
    "grass": "green",
    "coal": "black",
    "blood": "red",
    "milk": "white",
    "gold": "yellow",
    "chocolate": "brown",
    "ash": "grey",
    "night": "black",
    "corn": "yellow",
    "cotton": "white",
    "lavender": "purple",
}

OPPOSITES = {
    "hot": "cold",
    "big": "small",
    "young": "old",
    "light": "dark",
    "rich": "poor",
    "happy": "sad",
    "long": "short",
    "strong": "weak",
    "loud": "quiet",
    "clean": "dirty",
    "full": "empty",
    "cheap": "expensive",
    "wild": "tame",
    "early": "late",
    "soft": "hard",
    "rough": "smooth",
    "brave": "afraid",
    "open": "closed",
    "up": "down",
    "left": "right",
    "true": "false",
    "day": "night",
    "peace": "war",
    "love": "hate",
}

YOUNG = {
    "dog": "puppy",
    "cat": "kitten",
    "horse": "foal",
    "cow": "calf",
    "sheep": "lamb",
    "pig": "piglet",
    "hen": "chick",
    "duck": "duckling",
    "bear": "cub",
    "frog": "tadpole",
    "deer": "fawn",
    "swan": "cygnet",
}

SOUNDS = {
    "dog": "barks",
    "cat": "meows",
    "cow": "moos",
    "duck": "quacks",
    "lion": "roars",
    "wolf": "howls",
    "bee": "buzzes",
    "snake": "hisses",
    "owl": "hoots",
    "horse": "neighs",
}

#: Known to the tokenizer, not trained: punctuation and words that prompts of other pages may use.
EXTRA = "( ) , . ! ; % # & woman's her his she he they it we you I him them who which".split()


def plural(noun: str) -> str:
    """The plural of a noun of these lists."""
    irregular = {
        "sheep": "sheep",
        "mouse": "mice",
        "goose": "geese",
        "wolf": "wolves",
        "deer": "deer",
        "salmon": "salmon",
        "trout": "trout",
        "knife": "knives",
        "leaf": "leaves",
        "fish": "fish",
        "foot": "feet",
        "child": "children",
    }
    if noun in irregular:
        return irregular[noun]
    if noun.endswith(("s", "x", "ch", "sh")) or noun in ("potato", "tomato"):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"
