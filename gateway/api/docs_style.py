"""The style of the documentation page: contents beside the text, or above it where it is narrow."""

STYLE = """
:root{color-scheme:light dark;--line:#d5d9e0;--soft:#f4f6f9;--link:#0b57a4;--mark:#fff3c4}
@media(prefers-color-scheme:dark){
:root{--line:#3d444d;--soft:#22272e;--link:#79b8ff;--mark:#4a3f12}}
*{box-sizing:border-box}
html{scroll-padding-top:1em}
body{font:16px/1.55 system-ui,sans-serif;margin:0 auto;max-width:82em}
header{padding:1em 1.25em 0}
main{padding:0 1.25em 6em;min-width:0}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
h1{margin:.4em 0}h1 small{font-weight:normal;opacity:.6}
h2{margin-top:2em;border-bottom:1px solid var(--line);padding-bottom:.2em}
h3{margin-top:2em}h4{margin:1.2em 0 .4em}
code,pre{font:.9em/1.45 ui-monospace,monospace}
code{background:var(--soft);padding:.08em .3em;border-radius:3px;overflow-wrap:anywhere}
pre{background:var(--soft);border:1px solid var(--line);border-radius:5px;padding:.8em;
overflow-x:auto}
pre code{padding:0;overflow-wrap:normal}
table{border-collapse:collapse;width:100%;margin:.6em 0}
td,th{border:1px solid var(--line);padding:.35em .6em;text-align:left;vertical-align:top}
th{background:var(--soft)}
td[title] code{white-space:nowrap}
td p,td ul,dd p{margin:0}td ul,dd ul{padding-left:1.2em}
.fields th:nth-child(1){width:22%}.fields th:nth-child(2){width:30%}
dl{display:grid;grid-template-columns:3em minmax(0,1fr);gap:.35em .5em}
dt{font-weight:bold}dd{margin:0}
summary{cursor:pointer;color:var(--link)}
:target{background:var(--mark)}
nav{font-size:.9em;padding:1em 1.25em;border-bottom:1px solid var(--line)}
nav ul{list-style:none;margin:0;padding:0}nav ul ul{padding-left:.9em}
nav li{padding:.12em 0;overflow-wrap:anywhere}nav small{opacity:.65}
@media(min-width:64em){
body{display:grid;grid-template:auto 1fr/19em minmax(0,1fr)}
nav{grid-area:1/1/3/2;position:sticky;top:0;height:100vh;overflow-y:auto;border:0;
border-right:1px solid var(--line)}}
@media(max-width:63.99em){
nav{max-height:45vh;overflow-y:auto;border-top:1px solid var(--line)}
nav>ul{columns:16em}nav .objects{display:none}}
@media(max-width:40em){
body{font-size:15px}
thead{display:none}
table,tbody,tr{display:block}
tr{border:1px solid var(--line);border-radius:5px;margin:.6em 0;padding:.4em .6em}
td{display:block;border:0;padding:.1em 0}}
"""
