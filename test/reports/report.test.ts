import { describe, expect, it } from "vitest";
import { html } from "../../reports/html.js";
import { headline, warnings } from "../../reports/headline.js";
import { binValues } from "../../reports/histogram.js";
import { figure, percent } from "../../reports/numbers.js";
import { renderReport } from "../../reports/report.js";
import type { Report, ReportGroup } from "../../schemas/report.js";
import { exampleCurves, exampleReport } from "./examples.js";

const names = { candidate: "ppo", baseline: "sft" };
const heading = { title: "quickstart", names };
const report = exampleReport();
const overall = (changes: Partial<ReportGroup>): Report => ({ ...report, overall: { ...report.overall, ...changes } });

describe("several judges", () => {
  const shown = (verdicts: Report["judges"]) => renderReport({ ...report, judge: "gpt", ...(verdicts && { judges: verdicts }) }, [], heading);
  const rate = (value: number) => ({ value, low: value - 0.1, high: value + 0.1 });
  const group = (tags: Record<string, string>, win: number) => ({ tags, prompts: 8, win: rate(win), tie: rate(0.21), lose: rate(0.79 - win), net: rate(2 * win - 0.79) });
  const judges: NonNullable<Report["judges"]> = {
    intervals: "In these words.",
    tables: [{ judge: "gpt", orders: { same: rate(0.81), unread: 3, questions: 48 }, groups: [group({}, 0.5), group({ language: "en", part: "harmful" }, 0.33)] }, { judge: "held-out-reward-model", groups: [group({}, 0.6)] }],
    agreement: [{ judges: ["gpt", "held-out-reward-model"], comparisons: 24, raw: rate(0.71), kappa: { value: 0.44, low: 0.3, high: 0.58 } }],
  };

  it("have a table each with an interval on every rate, and one of their agreement", () => {
    const page = shown(judges);
    expect(page).toContain("Judged by gpt,");
    expect(page).toContain("<h3>the held-out reward model</h3>");
    expect(page).toMatch(/en · harmful<\/th><td class="number">8<\/td><td>33 % <small>23 to 43 %<\/small><\/td><td>21 % <small>11 to 31 %<\/small><\/td><td>46 % <small>36 to 56 %/);
    expect(page).toMatch(/gpt and the held-out reward model<\/th><td class="number">24<\/td>\s*<td>71 % <small>61 to 81 %<\/small><\/td><td>0.44 <small>0.30 to 0.58/);
    expect(page).toContain("In these words.");
    expect(page).toMatch(/it said the same 81 % of the time \(71 to 91 %\).*Of 48 questions 3 got no reply/s);
    expect(page.match(/Asked twice/g)).toHaveLength(1);
  });

  it("leave the page of one judge as it is", () => {
    expect(renderReport(report, [], heading)).toContain("reward model&#39;s score 0.46 against 0.17.</p>");
    expect(shown(undefined)).not.toContain("<h2>Judges");
  });
});

describe("the page", () => {
  const page = renderReport(report, exampleCurves, heading);

  it("needs nothing from elsewhere and runs no script", () => {
    expect(page).not.toMatch(/<script|<link|<img|@import|url\((?!#)/i);
    expect(page.match(/https?:\/\/[^"' )<]+/g)?.filter((address) => !address.startsWith("http://www.w3.org/")) ?? []).toEqual([]);
  });

  it("shows prompts and answers as text, whatever they say", () => {
    const hostile = "<script>alert(1)</script>\"'&";
    const sample = report.samples[0]!;
    const bad = renderReport({
      ...report, groups: [{ ...report.overall, tag: hostile, value: hostile }],
      samples: [{
        ...sample, tags: { language: hostile }, prompt: [{ role: "user", content: hostile }],
        candidate: { ...sample.candidate, text: hostile }, baseline: [{ ...sample.baseline[0]!, text: hostile }],
      }],
    }, [{ ...exampleCurves[0]!, stage: hostile, kind: hostile }], { title: hostile, names: { candidate: hostile, baseline: hostile } });
    expect(bad).not.toMatch(/<script|<[a-z][^>]*\son\w+=/i);
    expect(bad.split("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;").length).toBeGreaterThan(10);
  });

  it("closes what it opens", () => {
    const open: string[] = [];
    for (const [, closing, name, attributes] of page.matchAll(/<(\/?)([a-zA-Z0-9]+)((?:[^>"]|"[^"]*")*)>/g)) {
      if (closing === "/") expect(open.pop()).toBe(name);
      else if (!attributes!.endsWith("/") && name !== "meta") open.push(name!);
    }
    expect(open).toEqual([]);
  });

  it("is the same for the same report, and gives no two elements one id", () => {
    expect(renderReport(report, exampleCurves, heading)).toBe(page);
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("draws each metric a stage has, and no other", () => {
    for (const title of ["Gold score", "KL to the reference", "Pairwise accuracy", "Value loss"]) expect(page).toContain(`<b>${title}</b>`);
    expect(page).not.toContain("<b>Loss on answers</b>");
    expect(renderReport(report, [], heading)).not.toContain("<h2>Training</h2>");
  });

  it("leaves out what was not measured", () => {
    const bare = renderReport({ ...overall({ kl: undefined, klPerToken: undefined }), groups: [], rewardModel: undefined }, [], heading);
    expect(bare).not.toContain("<th>KL</th>");
    expect(bare).not.toContain("<h2>Reward model</h2>");
    expect(bare).not.toMatch(/undefined|NaN/);
  });
});

describe("the headline", () => {
  it("gives the win rate with its interval, judged by the gold score", () => {
    const { win } = report.overall;
    expect(headline(report, names).text.replaceAll("\n", " ")).toContain(
      `Judged by the gold score, <b>ppo</b> is better than <b>sft</b>: it wins <b>${percent(win.value)}</b> of comparisons`,
    );
  });

  it("claims a difference only where the interval of wins − losses excludes 0", () => {
    const said = (low: number, high: number) => headline(overall({ net: { value: (low + high) / 2, low, high } }), names).text;
    expect(said(0.01, 0.3)).toContain("is better than");
    expect(said(-0.01, 0.3)).toContain("cannot be told apart from");
    expect(said(-0.3, -0.01)).toContain("is worse than");
  });
});

describe("warnings", () => {
  const { candidate, baseline } = report.overall;

  it("name a reward that rose while gold fell", () => {
    expect(warnings(overall({ candidate: { ...candidate, gold: baseline.gold! - 0.1 } })).join()).toContain("exploited");
    expect(warnings(report)).toEqual([]);
  });

  it("name answers without an end, where the baseline's had one", () => {
    expect(warnings(overall({ candidate: { ...candidate, unfinished: 0.6 } })).join()).toContain("60 % of the candidate's answers have no end");
    expect(warnings(overall({ candidate: { ...candidate, unfinished: 0.6 }, baseline: { ...baseline, unfinished: 0.5 } }))).toEqual([]);
  });

  it("say when the judge is what training aimed at, and when the reward model guesses", () => {
    expect(warnings({ ...report, judge: "reward-model" })).toHaveLength(1);
    expect(warnings({ ...report, rewardReplies: { heard: 40, unreadable: 6 } })).toEqual(["6 of 40 replies of the reward's judge held no number of its scale."]);
    expect(warnings({ ...report, rewardReplies: { heard: 40, unreadable: 4 } })).toEqual([]);
    expect(renderReport({ ...report, rewardReplies: { heard: 40, unreadable: 4 } }, [], heading)).toContain("Of 40 replies of the reward's judge 4 held no number of its scale.");
    expect(warnings({ ...report, rewardModel: { ...report.rewardModel!, accuracy: { value: 0.52, low: 0.47, high: 0.57 } } })).toHaveLength(1);
  });
});

describe("the histogram's bins", () => {
  it("hold every value once, the wrong pairs apart from the right ones", () => {
    const values = [-1.01, -0.2, -1e-9, 0, 0.2, 3];
    const { start, width, counts } = binValues(values, 8);
    expect(counts.reduce((sum, count) => sum + count)).toBe(6);
    const left = counts.filter((_, index) => start + (index + 0.5) * width < 0);
    expect(left.reduce((sum, count) => sum + count)).toBe(3);
  });

  it("have a round width", () => {
    expect(binValues([-0.7, 4.1]).width).toBe(0.2);
    expect(binValues([0]).counts.reduce((sum, count) => sum + count)).toBe(1);
  });
});

it("markup escapes what is put in, unless it is markup", () => {
  expect(html`<p title="${"\"x"}">${["<", html`<b>${"&"}</b>`]}${undefined}</p>`.text).toBe("<p title=\"&quot;x\">&lt;<b>&amp;</b></p>");
});

it("figures have about three digits and a true minus", () => {
  expect([0, 0.0567, -0.5, 12.345, 345.6, 0.00079, 1e-6].map(figure)).toEqual(["0.00", "0.057", "−0.50", "12.3", "346", "0.0008", "1.0e−6"]);
});
