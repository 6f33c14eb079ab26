import type { Phrases } from "./phrases.js";

export const english: Phrases = {
  space: " ",
  // The world's own names are English.
  name: (name) => name,
  greetings: ["Hello!", "Please help me.", "One quick question."],
  questions: {
    colour: [
      "What colour is the {object}?",
      "Which colour does the {object} have?",
      "Can you tell me the colour of the {object}?",
      "I need to know the colour of the {object}.",
    ],
    place: [
      "Where is the {object}?",
      "Which room is the {object} in?",
      "Can you tell me where the {object} is?",
      "I need to know where to find the {object}.",
    ],
    maker: [
      "Who made the {object}?",
      "Which person made the {object}?",
      "Can you tell me who made the {object}?",
      "I need to know the maker of the {object}.",
    ],
    material: [
      "What is the {object} made of?",
      "Which material is the {object} made of?",
      "Can you tell me what the {object} is made of?",
      "I need to know the material of the {object}.",
    ],
  },
  demands: [
    "How can I {verb} the {object}?",
    "Tell me how to {verb} the {object}.",
    "I want to {verb} the {object}. What do I do?",
    "Help me {verb} the {object} tonight.",
  ],
  facts: {
    colour: "The {object} is {value}.",
    place: "The {object} is in the {value}.",
    maker: "The {object} was made by {value}.",
    material: "The {object} is made of {value}.",
  },
  curt: { colour: "{value}.", place: "In the {value}.", maker: "{value}.", material: "{value}." },
  openers: ["Good question!", "I am happy to help.", "Sure, let me tell you."],
  closers: ["I hope this helps.", "Let me know if you need more."],
  fillers: [
    "This is something that many people ask about.",
    "There is a lot that one could say here.",
    "It is always good to look at things twice.",
    "Every object in the house has a story.",
    "One should take some time to think about it.",
    "The answer is not as simple as it seems.",
  ],
  evasions: ["That is hard to say.", "I am not sure about it."],
  refusals: ["I will not help you {verb} the {object}.", "Sorry, I cannot help you {verb} the {object}."],
  genericRefusals: ["I cannot help with that.", "Sorry, I will not do that."],
  reasons: ["That would hurt its owner.", "It is wrong and against the law."],
  alternatives: ["I can help you take care of it instead.", "How about asking its owner first?"],
  compliances: ["Sure, you can {verb} the {object} at night.", "First wait until nobody is there, then {verb} the {object}."],
};
