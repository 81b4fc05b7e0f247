"""The style sheet of HTML reports: light and dark, wide and narrow."""

from __future__ import annotations

STYLE = """
:root{--paper:#fbfaf7;--ink:#1d1f23;--soft:#666a73;--line:#dddad2;--card:#fff;--bad:#b3261e;--good:#1c7c43;
--c0:#2f6db5;--c1:#e08a1e;--c2:#3f9b6c;--c3:#c2485f;--c4:#7c62b8;--c5:#8a7a4a;--c6:#3aa0b5;--c7:#9aa0a8}
@media(prefers-color-scheme:dark){:root{--paper:#15171b;--ink:#e8e6e1;--soft:#9aa0a8;--line:#33373e;--card:#1d2026;
--bad:#ff8a80;--good:#7fd6a1;--c0:#6aa5ea;--c1:#f0aa55;--c2:#6cc598;--c3:#ea7d92;--c4:#a991e0;--c5:#bfae78;
--c6:#6fcbdd;--c7:#747a83}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1180px;padding:20px 16px 60px;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;-webkit-text-size-adjust:100%}
h1{font-size:1.6rem;line-height:1.2;margin:.4em 0 .2em}
h2{font-size:1.15rem;margin:2.2em 0 .3em;border-bottom:1px solid var(--line);padding-bottom:.2em}
h3{font-size:.95rem;margin:0 0 .5em;font-weight:600}
p{margin:.4em 0;max-width:70ch}.soft{color:var(--soft)}.bad{color:var(--bad);fill:var(--bad)}
.grid2{display:grid;gap:16px;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));align-items:start;
margin-top:12px}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:14px;min-width:0}
.facts{display:grid;gap:10px;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));margin:16px 0}
.fact b{display:block;font-size:1.45rem;line-height:1.2;font-weight:650;font-variant-numeric:tabular-nums}
.fact span{color:var(--soft);font-size:.85rem}
.note{border-left:3px solid var(--c1);padding:2px 0 2px 10px;margin:.6em 0;overflow-wrap:anywhere}
.note.bad{border-color:var(--bad)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums;width:100%}
th,td{text-align:right;padding:3px 8px;white-space:nowrap;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{text-align:left;padding-left:0}
td.wrap{white-space:normal;overflow-wrap:anywhere;text-align:left}
th{font-weight:600;color:var(--soft)}
svg{display:block;width:100%;height:auto;max-width:640px;overflow:visible}
svg text{font-size:12px;fill:var(--ink);paint-order:stroke;stroke:var(--card);stroke-width:3px;stroke-linejoin:round}
svg text.tick{font-size:11px;fill:var(--soft)}
svg text.value{font-size:12px;font-weight:600}svg text.bad{fill:var(--bad)}
svg .grid{stroke:var(--line);stroke-width:1;fill:none}svg .whisker{stroke:var(--ink);stroke-width:1.2;fill:none}
svg .line{fill:none;stroke-width:2;stroke-linejoin:round}svg .roof{stroke:var(--soft);stroke-width:1.5;fill:none}
svg .front{stroke:var(--ink);stroke-width:1.3;fill:none;stroke-dasharray:4 3}
svg .limit{stroke:var(--bad);stroke-width:1.3;fill:none}
svg circle{fill-opacity:.75}svg circle.ringed{stroke:var(--ink);stroke-width:2;fill-opacity:1}
.legend{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:.8rem;color:var(--soft);max-width:none}
.legend i{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:5px}
.legend span{white-space:nowrap}
details{margin:12px 0}summary{cursor:pointer;color:var(--soft)}
code{font-size:.85em;overflow-wrap:anywhere}
""" + "".join(
    f".c{index}{{fill:var(--c{index})}}.b{index}{{background:var(--c{index})}}.s{index}{{stroke:var(--c{index})}}\n"
    for index in range(8)
)
"""It loads nothing from the network."""
