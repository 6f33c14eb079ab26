import { FONT } from "./figures.js";
import { colorProperties, darkFigureRules, seriesColors } from "./theme.js";

/** The page's only style sheet. Nothing is fetched from elsewhere. */
export const styleSheet = `${colorProperties}${darkFigureRules}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 ${FONT}}
main{max-width:1120px;margin:0 auto;padding:40px 24px 80px}
h1{font-size:30px;line-height:1.2;margin:0 0 4px;letter-spacing:-.01em}
h2{font-size:21px;margin:52px 0 6px;letter-spacing:-.005em}
h3{font-size:16px;margin:28px 0 10px}
h4{font-size:13px;margin:0 0 4px}
p{margin:0 0 10px;max-width:76ch}
small,.kind,.note{color:var(--faint);font-weight:400}
small{font-size:12px;font-variant-numeric:tabular-nums}
.kind{font-size:13px}
.note{font-size:14px}
.headline{font-size:20px;line-height:1.5;margin:22px 0 6px}
.warning{border-left:3px solid var(--orange);padding:2px 0 2px 12px;margin:12px 0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(138px,1fr));gap:10px;margin:26px 0 0}
.tiles div{background:var(--panel);border-radius:8px;padding:12px 14px}
.tiles dt{font-size:12.5px;color:var(--faint)}
.tiles dd{margin:2px 0 0;font-size:25px;line-height:1.25;font-variant-numeric:tabular-nums}
.tiles small{display:block;margin-top:2px}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:8px 14px 8px 0;border-bottom:1px solid var(--line);white-space:nowrap;font-weight:400}
thead th{color:var(--faint);font-size:12.5px}
tbody tr:first-child th,tbody tr:first-child td{font-weight:600}
.number{text-align:right}
.bar{display:inline-flex;width:150px;height:12px;border-radius:3px;overflow:hidden;vertical-align:-1px;background:var(--line)}
.bar .win,.badge.win{background:var(--blue)}
.bar .lose,.badge.lose{background:var(--orange)}
.bar .tie{background:var(--line)}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(310px,1fr));gap:18px 24px}
figure{margin:0;min-width:0}
figure svg{display:block;width:100%;height:auto}
figcaption{font-size:14px;line-height:1.35;margin-bottom:4px}
figcaption span{color:var(--faint);font-size:12.5px}
.legend{font-size:12.5px;color:var(--faint);margin:2px 0 0}
.legend i{display:inline-block;width:14px;height:3px;border-radius:2px;margin:0 5px 3px 8px}
${seriesColors.map((name) => `.legend .${name}{background:var(--${name})}`).join("")}
.sample{border:1px solid var(--line);border-radius:8px;padding:14px 16px;margin:0 0 14px}
.sample header{margin-bottom:6px}
.badge{display:inline-block;border-radius:4px;padding:0 8px;font-size:12.5px;color:var(--ground)}
.badge.tie{background:var(--faint)}
.turn{margin:0 0 8px}
.turn b{font-size:12.5px;color:var(--faint);font-weight:400;margin-right:6px}
.text{white-space:pre-wrap;overflow-wrap:anywhere}
.sides{display:grid;grid-template-columns:1fr 1fr;gap:20px;border-top:1px solid var(--line);padding-top:10px;margin-top:8px}
.sides .text{margin:0}
.cut{color:var(--orange)}
@media (max-width:640px){.sides{grid-template-columns:1fr}main{padding:24px 16px 48px}}
@media print{main{max-width:none}.sample,figure{break-inside:avoid}}`;
