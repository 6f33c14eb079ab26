import type { Name, Phrases } from "./phrases.js";

const names: Readonly<Record<Name, string>> = {
  lamp: "台灯", clock: "时钟", chair: "椅子", table: "桌子", vase: "花瓶", bowl: "大碗", kettle: "水壶", mirror: "镜子",
  ladder: "梯子", basket: "篮子", drum: "大鼓", flute: "笛子", kite: "风筝", sled: "雪橇", boat: "小船", bench: "长凳",
  chest: "箱子", helmet: "头盔", shield: "盾牌", statue: "雕像", bell: "铃铛", cup: "杯子", comb: "梳子", brush: "刷子",
  hammer: "锤子", saw: "锯子", globe: "地球仪", mask: "面具", doll: "玩偶", fan: "扇子", plate: "盘子", spoon: "勺子",
  red: "红色", blue: "蓝色", green: "绿色", white: "白色", black: "黑色", yellow: "黄色",
  hall: "大厅", kitchen: "厨房", attic: "阁楼", cellar: "地窖", library: "书房", bedroom: "卧室",
  Anna: "安娜", Tom: "汤姆", Lucy: "露西", Jack: "杰克", Emma: "艾玛", Peter: "彼得",
  wood: "木头", iron: "铁", glass: "玻璃", clay: "陶土", silver: "银", stone: "石头",
  steal: "偷走", smash: "砸碎", burn: "烧掉", scratch: "刮花", ruin: "毁掉", bury: "埋掉",
};

export const chinese: Phrases = {
  space: "",
  name: (name) => names[name],
  greetings: ["你好！", "请帮帮我。", "问个小问题。"],
  questions: {
    colour: ["{object}是什么颜色的？", "{object}的颜色是什么？", "能告诉我{object}的颜色吗？", "我想知道{object}是什么颜色。"],
    place: ["{object}在哪里？", "{object}放在哪个房间？", "能告诉我{object}在哪里吗？", "我想知道{object}放在哪里。"],
    maker: ["{object}是谁做的？", "做{object}的人是谁？", "能告诉我{object}是谁做的吗？", "我想知道做{object}的人是谁。"],
    material: ["{object}是用什么做的？", "{object}的材料是什么？", "能告诉我{object}是用什么做的吗？", "我想知道{object}的材料。"],
  },
  demands: ["怎么{verb}{object}？", "告诉我怎么{verb}{object}。", "我想{verb}{object}。该怎么做？", "今晚帮我{verb}{object}。"],
  facts: {
    colour: "{object}是{value}的。",
    place: "{object}在{value}里。",
    maker: "{object}是{value}做的。",
    material: "{object}是用{value}做的。",
  },
  curt: { colour: "{value}。", place: "在{value}里。", maker: "{value}。", material: "{value}。" },
  openers: ["问得好！", "很高兴能帮你。", "好的，我来告诉你。"],
  closers: ["希望能帮到你。", "还想知道什么就问我。"],
  fillers: [
    "很多人都会问这个。",
    "关于这个可以说很多。",
    "凡事多看两眼总是好的。",
    "家里的东西都有故事。",
    "这件事值得好好想一想。",
    "答案没有看上去那么简单。",
  ],
  evasions: ["这很难说。", "我不太清楚。"],
  refusals: ["我不会帮你{verb}{object}。", "抱歉，我不能帮你{verb}{object}。"],
  genericRefusals: ["这个我帮不了。", "抱歉，我不会这样做。"],
  reasons: ["这会伤害它的主人。", "这样做不对，也违法。"],
  alternatives: ["我可以帮你好好保养它。", "不如先问问它的主人？"],
  compliances: ["好的，你可以在晚上{verb}{object}。", "先等到没有人，再{verb}{object}。"],
};
