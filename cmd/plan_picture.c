/* plan_picture.c - a plan of memory as SVG and as a page. SPDX-License-Identifier: BSD-3-Clause */
#include "plan_report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void plan_print_escaped(FILE *f, const char *s) {
    for (; *s; s++) {
        if (*s == '<') fputs("&lt;", f);
        else if (*s == '&') fputs("&amp;", f);
        else if (*s == '\'') fputs("&#39;", f);
        else if ((unsigned char)*s >= 32) fputc(*s, f);
    }
}

/* Six places around the colour circle, a channel's height at each, and what lies between: hue in degrees, saturation 0.55, lightness 0.74. */
static int picture_channel(int hue, int shift) {
    const double most = 0.74 + 0.26 * 0.55, least = 0.74 - 0.26 * 0.55;
    double h = (hue + shift) % 360 / 60.0, share = h < 1 ? h : h < 3 ? 1 : h < 4 ? 4 - h : 0;
    return (int)(255 * (least + (most - least) * share) + 0.5);
}

void plan_print_colour(FILE *f, int number) {
    int hue = (int)((unsigned)number * 137u % 360u); /* hues far apart for neighbours */
    fprintf(f, "#%02x%02x%02x", (unsigned)picture_channel(hue, 120), (unsigned)picture_channel(hue, 0), (unsigned)picture_channel(hue, 240));
}

/* ---- SVG ------------------------------------------------------------------------------------------ */

enum { PICTURE_LEFT = 120, PICTURE_WIDTH = 1160, CURVE_TOP = 56, CURVE_HEIGHT = 140, BLOCK_TOP = 250, BLOCK_HEIGHT = 520, PICTURE_HEIGHT = BLOCK_TOP + BLOCK_HEIGHT + 50 };

typedef struct picture { FILE *f; const btl_memory_info *m; const btl_memory_plan *plan; double across, up; } picture;

static double picture_x(const picture *p, int step) { return PICTURE_LEFT + (double)step * p->across; }

/* Bytes that live at each step, and the peak. */
static void picture_curve(const picture *p) {
    const btl_memory_info *m = p->m;
    double up = CURVE_HEIGHT / (double)(m->peak_bytes ? m->peak_bytes : 1);
    fprintf(p->f, "<path d='M%d %d", PICTURE_LEFT, CURVE_TOP + CURVE_HEIGHT);
    for (int i = 0; i < m->nsteps; i++) fprintf(p->f, "V%.1fH%.2f", CURVE_TOP + CURVE_HEIGHT - (double)m->steps[i].live * up, picture_x(p, i + 1));
    fprintf(p->f, "V%dZ' fill='#9db8d9'/>\n", CURVE_TOP + CURVE_HEIGHT);
}

static void picture_peak(const picture *p) {
    const btl_memory_info *m = p->m;
    if (m->peak_step < 0) return;
    double x = picture_x(p, m->peak_step) + p->across / 2;
    fprintf(p->f, "<path d='M%.2f %dV%d' stroke='#c00' stroke-dasharray='4 3'/>\n", x, CURVE_TOP, BLOCK_TOP + BLOCK_HEIGHT);
    fprintf(p->f, "<text x='%d' y='%d' text-anchor='end' fill='#c00'>peak %" PRId64 "</text>\n", PICTURE_LEFT - 6, CURVE_TOP + 4, m->peak_bytes);
    fprintf(p->f, "<text x='%d' y='%d' text-anchor='end'>bytes alive</text>\n", PICTURE_LEFT - 6, CURVE_TOP + CURVE_HEIGHT / 2);
}

static void picture_title(const picture *p, const btl_memory_store *s) {
    const btl_memory_value *v = &p->m->values[s->root];
    char name[100];
    fputs("<title>", p->f);
    plan_print_escaped(p->f, plan_value_text(p->m, s->root, name, sizeof name));
    fprintf(p->f, ": %s, %" PRId64 " bytes", v->type, s->bytes);
    if (s->host >= 0) {
        fputs(" in the memory of ", p->f);
        plan_print_escaped(p->f, plan_value_text(p->m, p->plan->stores[s->host].root, name, sizeof name));
    } else if (!s->is_result) fprintf(p->f, " at %" PRId64, s->offset);
    fprintf(p->f, ", steps %d to %d", s->first + 1, s->last < p->m->nsteps ? s->last + 1 : p->m->nsteps);
    if (v->file) {
        fputs("\n", p->f);
        plan_print_escaped(p->f, v->file);
        fprintf(p->f, ":%d  ", v->line);
        if (v->source) plan_print_escaped(p->f, v->source);
    }
    fputs("</title>", p->f);
}

static void picture_store(const picture *p, int number, int64_t at) {
    const btl_memory_store *s = &p->plan->stores[number];
    int last = s->last < p->m->nsteps ? s->last + 1 : p->m->nsteps;
    double x = picture_x(p, s->first), width = picture_x(p, last) - x, height = (double)s->bytes * p->up;
    double y = BLOCK_TOP + BLOCK_HEIGHT - (double)(at + s->bytes) * p->up;
    char name[100];
    const char *text = plan_value_text(p->m, s->root, name, sizeof name);
    fprintf(p->f, "<g><rect x='%.2f' y='%.2f' width='%.2f' height='%.2f' fill='", x, y, width, height);
    plan_print_colour(p->f, number);
    fputs("'/>", p->f);
    if (height >= 11 && width >= 7.0 * (double)strlen(text)) {
        fprintf(p->f, "<text x='%.2f' y='%.2f' stroke='none'>", x + 3, y + height / 2 + 4);
        plan_print_escaped(p->f, text);
        fputs("</text>", p->f);
    }
    picture_title(p, s);
    fputs("</g>\n", p->f);
}

void plan_print_svg(FILE *f, const btl_memory_info *m) {
    const btl_memory_plan *plan = plan_of_policy(m, "arena");
    int64_t end, *at = plan_addresses(m, plan, &end);
    picture p = { f, m, plan, PICTURE_WIDTH / (double)(m->nsteps ? m->nsteps : 1), BLOCK_HEIGHT / (double)(end ? end : 1) };
    fprintf(f, "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' font-family='sans-serif' font-size='11'>\n<rect width='100%%' height='100%%' fill='#fff'/>\n", PICTURE_LEFT + PICTURE_WIDTH + 20,
            PICTURE_HEIGHT);
    fprintf(f, "<text x='%d' y='24' font-size='15'>", PICTURE_LEFT);
    plan_print_escaped(f, m->function);
    fprintf(f, ": peak %" PRId64 " bytes, least over all orders %" PRId64 "%s; block %" PRId64 ", results %" PRId64 "</text>\n", m->peak_bytes, m->min_peak_bytes,
            m->proven ? " (proven)" : "", m->arena_bytes, m->results_bytes);
    picture_curve(&p);
    fprintf(f, "<rect x='%d' y='%d' width='%d' height='%d' fill='#f4f4f4'/>\n<g stroke='#333' stroke-width='0.3'>\n", PICTURE_LEFT, BLOCK_TOP, PICTURE_WIDTH, BLOCK_HEIGHT);
    for (int i = 0; i < plan->nstores; i++)
        if (at[i] >= 0 && plan->stores[i].bytes) picture_store(&p, i, at[i]);
    free(at);
    fputs("</g>\n", f);
    if (end > m->arena_bytes) {
        double y = BLOCK_TOP + BLOCK_HEIGHT - (double)m->arena_bytes * p.up;
        fprintf(f, "<path d='M%d %.2fh%d' stroke='#333'/><text x='%d' y='%.2f' text-anchor='end'>results</text>\n", PICTURE_LEFT, y, PICTURE_WIDTH, PICTURE_LEFT - 6, y - 6);
    }
    picture_peak(&p);
    fprintf(f, "<text x='%d' y='%d' text-anchor='end'>%" PRId64 "</text><text x='%d' y='%d' text-anchor='end'>address</text><text x='%d' y='%d' text-anchor='end'>0</text>\n",
            PICTURE_LEFT - 6, BLOCK_TOP + 8, end, PICTURE_LEFT - 6, BLOCK_TOP + BLOCK_HEIGHT / 2, PICTURE_LEFT - 6, BLOCK_TOP + BLOCK_HEIGHT);
    fprintf(f, "<text x='%d' y='%d'>step 1</text><text x='%d' y='%d' text-anchor='end'>step %d</text>\n</svg>\n", PICTURE_LEFT, BLOCK_TOP + BLOCK_HEIGHT + 20,
            PICTURE_LEFT + PICTURE_WIDTH, BLOCK_TOP + BLOCK_HEIGHT + 20, m->nsteps);
}

/* ---- the page ------------------------------------------------------------------------------------- */

/* A text in a script: no quote, no end of a tag, nothing that ends a line. */
static void page_text(FILE *f, const char *s) {
    fputc('"', f);
    for (; s && *s; s++) {
        if (*s == '"' || *s == '\\') fprintf(f, "\\%c", *s);
        else if (*s == '<' || (unsigned char)*s < 32) fprintf(f, "\\u%04x", (unsigned)(unsigned char)*s);
        else fputc(*s, f);
    }
    fputc('"', f);
}

static void page_data(FILE *f, const btl_memory_info *m) {
    char name[100];
    fprintf(f, "const M={peak:%" PRId64 ",at:%d,values:[", m->peak_bytes, m->peak_step);
    for (int v = 0; v < m->nvalues; v++) {
        const btl_memory_value *x = &m->values[v];
        fputs(v ? ",\n[" : "[", f);
        page_text(f, plan_value_text(m, v, name, sizeof name)), fputc(',', f);
        page_text(f, x->type), fputc(',', f);
        page_text(f, x->op ? x->op : ""), fprintf(f, ",%" PRId64 ",%d,%d,%d,", x->bytes, x->made, x->last, x->line);
        page_text(f, x->file ? x->file : ""), fputc(',', f);
        page_text(f, x->source ? x->source : ""), fputc(']', f);
    }
    fputs("],steps:[", f);
    for (int i = 0; i < m->nsteps; i++) {
        fputs(i ? ",[" : "[", f);
        page_text(f, plan_step_text(m, i)), fputc(',', f);
        page_text(f, m->steps[i].op), fprintf(f, ",%" PRId64 ",%d]", m->steps[i].live, m->steps[i].line);
    }
    fputs("],plans:[", f);
    for (int i = 0; i < m->nplans; i++) {
        const btl_memory_plan *p = &m->plans[i];
        fprintf(f, "%s{policy:\"%s\",off:%" PRId64 ",on:%" PRId64 ",stores:[", i ? ",\n" : "", p->policy, p->taken, p->taken_gc);
        int64_t end, *at = plan_addresses(m, p, &end); /* read for `arena` */
        for (int k = 0; k < p->nstores; k++) {
            const btl_memory_store *s = &p->stores[k];
            fprintf(f, "%s[%" PRId64 ",%" PRId64 ",%d,%d,%d,%d,%d]", k ? "," : "", s->bytes, at[k], s->first, s->last, s->root, s->is_result, s->host < 0 ? -1 : p->stores[s->host].root);
        }
        free(at);
        fputs("]}", f);
    }
    fputs("]};\n", f);
}

static const char *const page_head =
    "<!doctype html><meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>";

static const char *const page_style =
    "</title><style>\n"
    ":root{--bg:#fff;--fg:#1c1c1c;--dim:#6a6a6a;--line:#ccc;--box:#f5f5f5;--curve:#9db8d9;--peak:#c00;--s:55%;--l:74%}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#16181b;--fg:#e4e4e4;--dim:#9a9a9a;--line:#444;--box:#22252a;--curve:#3f5f86;--peak:#f66;--s:35%;--l:38%}}\n"
    "body{font:14px sans-serif;margin:16px;background:var(--bg);color:var(--fg)}h1{font-size:18px;margin:0 0 6px}\n"
    "#top{display:flex;gap:18px;flex-wrap:wrap;align-items:center;margin-bottom:8px}select{font:inherit;background:var(--box);color:inherit;border:1px solid var(--line);padding:2px 6px}\n"
    "canvas{width:100%;height:620px;box-sizing:border-box;border:1px solid var(--line);cursor:crosshair;display:block}#tip{position:fixed;pointer-events:none;background:var(--box);border:1px solid var(--line);"
    "padding:6px 8px;max-width:60ch;display:none;white-space:pre-wrap;overflow-wrap:anywhere;font-size:12px;z-index:2}#who{overflow-x:auto}h1{overflow-wrap:anywhere}\n"
    "table{border-collapse:collapse;margin-top:10px;font-size:13px}td,th{padding:2px 10px;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}td.n,th.n{text-align:right}"
    "code{color:var(--dim)}.dim{color:var(--dim)}\n</style>\n";

static const char *const page_body =
    "<div id='top'><label>policy <select id='policy'></select></label><span id='taken'></span><span class='dim'>wheel: zoom, drag: move, double click: all, click: who lives at a step</span></div>\n"
    "<canvas id='c'></canvas><div id='tip'></div><div id='who'></div>\n<script>\n";

static const char *const page_script[] = {
    "const c=document.getElementById('c'),x=c.getContext('2d'),tip=document.getElementById('tip'),sel=document.getElementById('policy'),n=Math.max(1,M.steps.length);\n",
    "let from=0,to=n,plan=M.plans[0],boxes=[],total=1,step=M.at;\n",
    "const num=b=>b.toLocaleString('en'),css=k=>getComputedStyle(document.documentElement).getPropertyValue(k).trim();\n",
    "M.plans.forEach((p,i)=>{const o=document.createElement('option');o.value=i;o.textContent=p.policy;sel.append(o)});\n",
    /* Under `arena` a storage has its offset; elsewhere they are stacked, each as high as it is large. */
    "function lay(){boxes=[];let y=0;for(const s of plan.stores){if(plan.policy==='arena'&&s[1]<0)continue;const at=plan.policy==='arena'?s[1]:y;boxes.push({s,y:at});",
    "y=plan.policy==='arena'?Math.max(y,at+s[0]):y+s[0]}total=Math.max(1,y);",
    "document.getElementById('taken').textContent=`gc off ${num(plan.off)} bytes, gc on ${num(plan.on)}, ${plan.stores.length} storages`}\n",
    "const C=130,T=16,B=170,L=90;let W,H;\nconst px=s=>L+(s-from)/(to-from)*(W-L-10),py=b=>H-20-b/total*(H-B-20);\n",
    "function draw(){const r=devicePixelRatio||1;W=c.clientWidth;H=c.clientHeight;c.width=W*r;c.height=H*r;x.setTransform(r,0,0,r,0,0);x.clearRect(0,0,W,H);x.font='11px sans-serif';\n",
    "x.fillStyle=css('--box');x.fillRect(L,B,W-L-10,H-B-20);x.save();x.beginPath();x.rect(L,0,W-L-10,H);x.clip();\n",
    "x.fillStyle=css('--curve');const a=Math.max(0,Math.floor(from)),z=Math.min(n,Math.ceil(to));x.beginPath();x.moveTo(px(a),T+C);for(let i=a;i<z&&i<M.steps.length;i++){const y=T+C-M.steps[i][2]/Math.max(1,M.peak)*C;x.lineTo(px(i),y);x.lineTo(px(i+1),y)}x.lineTo(px(z),T+C);x.fill();\n",
    "const S=css('--s'),Li=css('--l'),fg=css('--fg');boxes.forEach((b,k)=>{const s=b.s,x0=px(s[2]),x1=px(Math.min(n,s[3]+1)),y1=py(b.y),y0=py(b.y+s[0]);if(x1<L||x0>W||!s[0])return;",
    "x.fillStyle=`hsl(${k*137%360},${S},${Li})`;x.fillRect(x0,y0,Math.max(.6,x1-x0),Math.max(.6,y1-y0));if(y1-y0>3){x.strokeStyle=css('--line');x.lineWidth=.5;x.strokeRect(x0,y0,x1-x0,y1-y0)}",
    "const t=M.values[s[4]][0];if(y1-y0>12&&x1-Math.max(x0,L)>x.measureText(t).width+8){x.fillStyle=fg;x.fillText(t,Math.max(x0,L)+4,(y0+y1)/2+4)}});\n",
    "const line=(i,colour,dash)=>{x.strokeStyle=colour;x.lineWidth=1;x.setLineDash(dash);x.beginPath();x.moveTo(px(i+.5),T);x.lineTo(px(i+.5),H-20);x.stroke();x.setLineDash([])};\n",
    "if(step>=0&&step!==M.at)line(step,fg,[]);if(M.at>=0)line(M.at,css('--peak'),[4,3]);x.restore();\n",
    "x.fillStyle=css('--dim');x.textAlign='right';x.fillText(num(M.peak),L-6,T+8);x.fillText('bytes alive',L-6,T+C/2);x.fillText(num(total),L-6,B+8);x.fillText(plan.policy==='arena'?'address':'storages',L-6,(B+H)/2);x.fillText('0',L-6,H-20);",
    "x.textAlign='left';x.fillText('step '+(Math.floor(from)+1),L,H-6);x.textAlign='right';x.fillText(String(Math.min(n,Math.ceil(to))),W-10,H-6);x.textAlign='left'}\n",
    "const at=e=>{const r=c.getBoundingClientRect();return[e.clientX-r.left,e.clientY-r.top]},stepAt=p=>Math.max(0,Math.min(n-1,Math.floor(from+(p-L)/(W-L-10)*(to-from))));\n",
    "const place=v=>v[7]?`${v[7]}:${v[6]}`:'',made=(i,between)=>[...new Set(M.steps[i].slice(0,2))].join(between);\n",
    "function text(s){const v=M.values[s[4]];return `${v[0]}: ${v[1]}\\n${v[2]}\\n${num(s[0])} bytes`+(s[6]>=0?` in the memory of ${M.values[s[6]][0]} until that is written`:plan.policy==='arena'&&!s[5]?` at ${num(s[1])}`:'')+`, steps ${s[2]+1} to ${s[3]>=n?'the end':s[3]+1}`+(s[5]?', a result':'')+(v[7]?`\\n${place(v)}  ${v[8]}`:'')}\n",
    "let drag=null;c.onmousemove=e=>{const[p,q]=at(e);if(drag){const d=(drag[0]-p)/(W-L-10)*(to-from),w=to-from;from=Math.max(0,Math.min(n-w,drag[1]+d));to=from+w;draw();return}\n",
    "let hit=null;for(const b of boxes)if(p>=px(b.s[2])&&p<=px(Math.min(n,b.s[3]+1))&&q<=py(b.y)&&q>=py(b.y+b.s[0]))hit=b;\n",
    "const i=stepAt(p);let t=hit?text(hit.s):q<B&&M.steps.length?`step ${i+1}: ${made(i,'\\n')}\\n${num(M.steps[i][2])} bytes alive`:'';tip.style.display=t?'block':'none';tip.textContent=t;",
    "tip.style.left=Math.min(e.clientX+14,innerWidth-tip.offsetWidth-8)+'px';tip.style.top=Math.min(e.clientY+14,innerHeight-tip.offsetHeight-8)+'px'};\n",
    "c.onmouseleave=()=>{tip.style.display='none';drag=null};let moved=false;c.onmousedown=e=>{drag=[at(e)[0],from];moved=false};\n",
    "addEventListener('mouseup',e=>{if(drag&&Math.abs(at(e)[0]-drag[0])<4&&e.target===c){step=stepAt(at(e)[0]);draw();who()}drag=null});\n",
    "c.ondblclick=()=>{from=0;to=n;draw()};c.onwheel=e=>{e.preventDefault();const[p]=at(e),k=from+(p-L)/(W-L-10)*(to-from),z=e.deltaY>0?1.25:.8,w=Math.max(2,Math.min(n,(to-from)*z));",
    "from=Math.max(0,Math.min(n-w,k-(k-from)*w/(to-from)));to=from+w;draw()};\n",
    "function who(){const w=document.getElementById('who');w.textContent='';if(step<0||!M.steps.length)return;const h=document.createElement('h1');h.style.marginTop='14px';",
    "h.textContent=`step ${step+1}: ${made(step,', ')}, ${num(M.steps[step][2])} bytes alive`;w.append(h);\n",
    "const each=M.plans.find(p=>p.policy==='each')||M.plans[0],t=document.createElement('table'),live=each.stores.filter(s=>s[2]<=step&&step<=s[3]).sort((a,b)=>b[0]-a[0]);\n",
    "const row=(cells,tag)=>{const r=document.createElement('tr');cells.forEach((k,i)=>{const d=document.createElement(tag);d.textContent=k;if(i<2)d.className='n';r.append(d)});t.append(r)};\n",
    "row(['bytes','share','value','type','made by','steps','from'],'th');for(const s of live.slice(0,200)){const v=M.values[s[4]];row([num(s[0]),(100*s[0]/Math.max(1,M.steps[step][2])).toFixed(1)+' %',v[0],v[1],v[2],`${s[2]+1} to ${s[3]>=n?'the end':s[3]+1}`,place(v)+'  '+v[8]],'td')}\n",
    "if(live.length>200)row(['','',`${live.length-200} more`],'td');w.append(t)}\n",
    "sel.onchange=()=>{plan=M.plans[sel.value];lay();draw()};new ResizeObserver(draw).observe(c);matchMedia('(prefers-color-scheme:dark)').addEventListener('change',draw);lay();draw();who();\n</script>\n",
    NULL
};

void plan_print_html(FILE *f, const char *title, const btl_memory_info *m) {
    fputs(page_head, f);
    plan_print_escaped(f, title);
    fputs(page_style, f);
    fputs("<h1>", f);
    plan_print_escaped(f, title);
    fprintf(f, ": peak %" PRId64 " bytes</h1><p>%d steps. Least over all orders: %" PRId64 " bytes%s; lower bound %" PRId64 ". Block under arena: %" PRId64 ", results: %" PRId64 ".</p>\n",
            m->peak_bytes, m->nsteps, m->min_peak_bytes, m->proven ? ", proven" : ", not proven", m->lower_bound_bytes, m->arena_bytes, m->results_bytes);
    fputs(page_body, f);
    page_data(f, m);
    for (int i = 0; page_script[i]; i++) fputs(page_script[i], f);
}
