/* lexer.c - see lexer.h. SPDX-License-Identifier: BSD-3-Clause */
#include "expr/lexer.h"

#include <stdio.h>
#include <string.h>

enum { MAX_INDENTS = 64, MAX_TOKEN_BYTES = (1 << 24) - 1 };

typedef struct lexer {
    btl_tokens *out;
    btl_arena *scratch;
    const char *text;
    uint32_t at, bytes;
    int depth;                    /* of open brackets */
    uint32_t opened;              /* where the outermost one stands */
    bool unclosed;
    bool guess;                   /* a bracket is never closed: look for the line where it should have been */
    int nindents;
    uint32_t indents[MAX_INDENTS];
} lexer;

static const struct { const char *word; btl_token_kind kind; } lexer_words[] = {
    { "or", TOKEN_OR }, { "and", TOKEN_AND }, { "not", TOKEN_NOT }, { "if", TOKEN_IF }, { "else", TOKEN_ELSE },
    { "true", TOKEN_TRUE }, { "false", TOKEN_FALSE }, { "inf", TOKEN_INF }, { "nan", TOKEN_NAN },
    { "none", TOKEN_NONE }, { "fn", TOKEN_FN }, { "return", TOKEN_RETURN }, { "input", TOKEN_INPUT },
    { "shared", TOKEN_SHARED }, { "const", TOKEN_CONST }, { "update", TOKEN_UPDATE }, { "output", TOKEN_OUTPUT },
    { "function", TOKEN_FUNCTION }, { "assert", TOKEN_ASSERT },
};
enum { NWORDS = sizeof lexer_words / sizeof *lexer_words };

/* Longest first, so that the first that fits is the right one. */
static const struct { char text[4]; unsigned char length; btl_token_kind kind; } lexer_signs[] = {
    { "...", 3, TOKEN_ELLIPSIS }, { "**", 2, TOKEN_POWER }, { "//", 2, TOKEN_FLOORDIV }, { "<=", 2, TOKEN_LESS_EQUAL },
    { ">=", 2, TOKEN_GREATER_EQUAL }, { "==", 2, TOKEN_EQUAL }, { "!=", 2, TOKEN_NOT_EQUAL }, { "<<", 2, TOKEN_SHIFT_LEFT },
    { ">>", 2, TOKEN_SHIFT_RIGHT }, { "=>", 2, TOKEN_ARROW }, { "(", 1, TOKEN_LPAREN }, { ")", 1, TOKEN_RPAREN },
    { "[", 1, TOKEN_LBRACKET }, { "]", 1, TOKEN_RBRACKET }, { ",", 1, TOKEN_COMMA }, { ":", 1, TOKEN_COLON },
    { ".", 1, TOKEN_DOT }, { "=", 1, TOKEN_ASSIGN }, { "?", 1, TOKEN_QUESTION }, { "~", 1, TOKEN_TILDE },
    { "+", 1, TOKEN_PLUS }, { "-", 1, TOKEN_MINUS }, { "*", 1, TOKEN_STAR }, { "/", 1, TOKEN_SLASH },
    { "%", 1, TOKEN_PERCENT }, { "@", 1, TOKEN_AT }, { "<", 1, TOKEN_LESS }, { ">", 1, TOKEN_GREATER },
    { "|", 1, TOKEN_BIT_OR }, { "^", 1, TOKEN_BIT_XOR }, { "&", 1, TOKEN_BIT_AND },
};
enum { NSIGNS = sizeof lexer_signs / sizeof *lexer_signs };

const char *btl_token_kind_text(btl_token_kind kind) {
    static const char *const texts[TOKEN_LPAREN] = {
        "the end of the text", "the end of the line", "a deeper indentation", "the end of the block", "this",
        "a name", "a number", "a number", "a text", "'...'" };
    static const char signs[][6] = { "'('", "')'", "'['", "']'", "','", "':'", "'.'", "'='", "'?'", "'=>'", "'~'" };
    if (kind < TOKEN_LPAREN) return texts[kind];
    if (kind <= TOKEN_TILDE) return signs[kind - TOKEN_LPAREN];
    return "this";
}

static bool lexer_is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool lexer_is_digit(char c) { return c >= '0' && c <= '9'; }
static bool lexer_is_word(char c) { return lexer_is_letter(c) || lexer_is_digit(c); }

static char lexer_peek(const lexer *x, uint32_t ahead) {
    return x->at + ahead < x->bytes ? x->text[x->at + ahead] : 0;
}

static void lexer_add(lexer *x, btl_token_kind kind, uint32_t start, uint32_t length) {
    btl_tokens *t = x->out;
    btl_token *token = BTL_PUSH(x->scratch, t->tokens, t->ntokens, t->token_capacity);
    token->start = start;
    token->length = length & MAX_TOKEN_BYTES;
    token->kind = (unsigned)kind & 0xff;
}

static void lexer_bad(lexer *x, uint32_t start, uint32_t length, const char *message, const char *hint) {
    btl_tokens *t = x->out;
    lexer_add(x, TOKEN_BAD, start, (uint32_t)t->nerrors);
    *BTL_PUSH(x->scratch, t->errors, t->nerrors, t->error_capacity) = (btl_lex_error){ start, length, message, hint };
}

/* ---- characters -------------------------------------------------------------------------- */

/* Bytes of the UTF-8 sequence at s, 0 if it is none (RFC 3629: shortest form, no surrogates). */
static uint32_t lexer_utf8_length(const unsigned char *s, uint32_t n) {
    unsigned char c = s[0];
    uint32_t length = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (length > n) return 0;
    for (uint32_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f)) return 0;
    if ((c == 0xf0 && s[1] < 0x90) || (c == 0xf4 && s[1] > 0x8f)) return 0;
    return length;
}

/* Steps over one character that stands where anything may stand (a comment, a text). */
static bool lexer_skip_char(lexer *x) {
    uint32_t n = lexer_utf8_length((const unsigned char *)x->text + x->at, x->bytes - x->at);
    if (n) {
        x->at += n;
        return true;
    }
    unsigned byte = (unsigned char)x->text[x->at];
    lexer_bad(x, x->at, 1, btl_arena_printf(x->scratch, "the byte 0x%02x is not UTF-8 here", byte),
              "a program is UTF-8 text: convert the file (iconv -t UTF-8)");
    x->at++;
    return false;
}

static void lexer_comment(lexer *x) {
    while (x->at < x->bytes && x->text[x->at] != '\n') lexer_skip_char(x);
}

static void lexer_foreign(lexer *x) {
    uint32_t start = x->at;
    unsigned char c = (unsigned char)x->text[start];
    if (!lexer_skip_char(x)) return;
    const char *message = c < 0x20 || c == 0x7f ? btl_arena_printf(x->scratch, "the byte 0x%02x has no meaning here", c)
                        : c < 0x80 ? btl_arena_printf(x->scratch, "'%c' has no meaning in the notation", c)
                                   : "names are ASCII: this character may stand in comments and texts only";
    /* a run of such characters is one mistake */
    while (c >= 0x80 && x->at < x->bytes && (unsigned char)x->text[x->at] >= 0x80 &&
           lexer_utf8_length((const unsigned char *)x->text + x->at, x->bytes - x->at))
        lexer_skip_char(x);
    lexer_bad(x, start, 1, message, NULL);
}

/* ---- words, numbers, texts --------------------------------------------------------------- */

static btl_token_kind lexer_word_kind(const char *s, uint32_t length) {
    if (length < 2 || length > 8) return TOKEN_NAME;
    for (int i = 0; i < NWORDS; i++)
        if (lexer_words[i].word[0] == s[0] && strlen(lexer_words[i].word) == length &&
            memcmp(lexer_words[i].word, s, length) == 0)
            return lexer_words[i].kind;
    return TOKEN_NAME;
}

bool btl_word_is_reserved(const char *s, size_t length) {
    btl_dtype dtype;
    if (length == 7 && memcmp(s, "newaxis", 7) == 0) return true;
    return btl_dtype_find(s, length, &dtype) || lexer_word_kind(s, (uint32_t)(length > 9 ? 9 : length)) != TOKEN_NAME;
}

static void lexer_word(lexer *x) {
    uint32_t start = x->at++;
    while (lexer_is_word(lexer_peek(x, 0))) x->at++;
    lexer_add(x, lexer_word_kind(x->text + start, x->at - start), start, x->at - start);
}

/* Digits, a fraction, an exponent, a dtype's name right behind them: "1.5e-3f32". */
static void lexer_number(lexer *x) {
    uint32_t start = x->at;
    bool is_float = false, hex = lexer_peek(x, 0) == '0' && (lexer_peek(x, 1) == 'x' || lexer_peek(x, 1) == 'X');
    if (hex) {
        x->at += 2;
        while (lexer_is_word(lexer_peek(x, 0))) x->at++;
        lexer_add(x, TOKEN_INTEGER, start, x->at - start);
        return;
    }
    while (lexer_is_digit(lexer_peek(x, 0))) x->at++;
    if (lexer_peek(x, 0) == '.' && lexer_peek(x, 1) != '.' && !lexer_is_letter(lexer_peek(x, 1))) {
        is_float = true;
        for (x->at++; lexer_is_digit(lexer_peek(x, 0));) x->at++;
    }
    char e = lexer_peek(x, 0), sign = lexer_peek(x, 1);
    bool has_sign = sign == '+' || sign == '-';
    if ((e == 'e' || e == 'E') && lexer_is_digit(has_sign ? lexer_peek(x, 2) : sign)) {
        is_float = true;
        for (x->at += has_sign ? 2 : 1; lexer_is_digit(lexer_peek(x, 0));) x->at++;
    }
    while (lexer_is_word(lexer_peek(x, 0))) x->at++; /* the dtype */
    lexer_add(x, is_float ? TOKEN_FLOAT : TOKEN_INTEGER, start, x->at - start);
}

static void lexer_text(lexer *x) {
    uint32_t start = x->at++;
    for (;;) {
        char c = lexer_peek(x, 0);
        if (x->at >= x->bytes || c == '\n') {
            lexer_bad(x, start, x->at - start, "this text has no closing '\"' on its line", "\\n within a text stands for a new line");
            return;
        }
        if (c == '"') break;
        if (c == '\\' && lexer_peek(x, 1) != '\n' && x->at + 1 < x->bytes) x->at++;
        if (!lexer_skip_char(x)) return;
    }
    x->at++;
    if (x->at - start > MAX_TOKEN_BYTES) lexer_bad(x, start, 1, "this text is longer than 16 MB", NULL);
    else lexer_add(x, TOKEN_TEXT, start, x->at - start);
}

/* True behind what can be the left side of an operator: there `%` divides, elsewhere it begins a
 * name such as %7. */
/* `into` or `view` behind an operand: a word of the schedule stage, behind which a name stands. */
static bool lexer_after_clause(const lexer *x) {
    const btl_tokens *t = x->out;
    if (t->ntokens < 2 || t->tokens[t->ntokens - 1].length != 4) return false;
    const char *word = t->text + t->tokens[t->ntokens - 1].start;
    int before = t->tokens[t->ntokens - 2].kind;
    return (before == TOKEN_RPAREN || before == TOKEN_NAME) && (memcmp(word, "into", 4) == 0 || memcmp(word, "view", 4) == 0);
}

static bool lexer_after_operand(const lexer *x) {
    const btl_tokens *t = x->out;
    if (t->ntokens == 0 || lexer_after_clause(x)) return false;
    switch (t->tokens[t->ntokens - 1].kind) {
    case TOKEN_NAME: case TOKEN_INTEGER: case TOKEN_FLOAT: case TOKEN_TEXT: case TOKEN_RPAREN: case TOKEN_RBRACKET:
    case TOKEN_TRUE: case TOKEN_FALSE: case TOKEN_INF: case TOKEN_NAN: case TOKEN_NONE: case TOKEN_QUESTION:
    case TOKEN_BAD: return true;
    default: return false;
    }
}

static void lexer_sign(lexer *x) {
    for (int i = 0; i < NSIGNS; i++) {
        uint32_t n = lexer_signs[i].length;
        if (x->bytes - x->at < n || memcmp(x->text + x->at, lexer_signs[i].text, n) != 0) continue;
        btl_token_kind kind = lexer_signs[i].kind;
        if (kind == TOKEN_LPAREN || kind == TOKEN_LBRACKET) {
            if (x->depth++ == 0) x->opened = x->at;
        } else if ((kind == TOKEN_RPAREN || kind == TOKEN_RBRACKET) && x->depth > 0) {
            x->depth--;
        }
        lexer_add(x, kind, x->at, n);
        x->at += n;
        return;
    }
    lexer_foreign(x);
}

/* ---- lines ------------------------------------------------------------------------------- */

static void lexer_add_line(lexer *x) {
    *BTL_PUSH(x->scratch, x->out->lines, x->out->nlines, x->out->line_capacity) = x->at;
}

static void lexer_indent(lexer *x, uint32_t start, uint32_t width) {
    uint32_t now = x->indents[x->nindents - 1];
    if (width > now) {
        if (x->nindents == MAX_INDENTS) {
            lexer_bad(x, start, width, "blocks within blocks, more than 60 deep", NULL);
            return;
        }
        x->indents[x->nindents++] = width;
        lexer_add(x, TOKEN_INDENT, start, width);
        return;
    }
    while (x->nindents > 1 && x->indents[x->nindents - 1] > width) {
        x->nindents--;
        lexer_add(x, TOKEN_DEDENT, start + width, 0);
    }
    if (x->indents[x->nindents - 1] != width)
        lexer_bad(x, start, width, btl_arena_printf(x->scratch,
                  "the line is indented by %u, its block by %u, and none around it by as much", width, now), NULL);
}

/* What begins a statement, at the start of a line inside brackets: they were never closed. A
 * binding may as well be an argument (axis = 1), unless it is known that they were not. */
static bool lexer_begins_statement(const lexer *x, uint32_t width) {
    uint32_t n = 0, after;
    while (lexer_is_word(lexer_peek(x, n))) n++;
    for (after = n; lexer_peek(x, after) == ' ';) after++;
    char c = lexer_peek(x, after);
    if (x->guess && n > 0 && width <= x->indents[x->nindents - 1] && (c == ':' || (c == '=' && lexer_peek(x, after + 1) != '='))) return true;
    if (lexer_peek(x, n) != ' ') return false;
    btl_token_kind kind = lexer_word_kind(x->text + x->at, n);
    return kind >= TOKEN_INPUT || kind == TOKEN_FN || kind == TOKEN_RETURN;
}

static void lexer_unclosed(lexer *x) {
    lexer_bad(x, x->opened, 1, btl_arena_printf(x->scratch, "'%c' is never closed", x->text[x->opened]), NULL);
    x->depth = 0;
    x->unclosed = true;
}

/* At the start of a line: its indentation, unless it is empty or goes on from the line before. */
static void lexer_line_start(lexer *x) {
    lexer_add_line(x);
    uint32_t start = x->at;
    bool tab = false;
    for (char c; (c = lexer_peek(x, 0)) == ' ' || c == '\t' || c == '\r'; x->at++) tab |= c == '\t';
    char c = lexer_peek(x, 0);
    if (x->at >= x->bytes || c == '\n' || c == '#') return;
    if (x->depth > 0) {
        if (!lexer_begins_statement(x, x->at - start)) return;
        lexer_unclosed(x);
        lexer_add(x, TOKEN_NEWLINE, start, 0);
    }
    if (tab) {
        lexer_bad(x, start, x->at - start, "a tab in the indentation", "indent with spaces: a tab has no fixed width");
        return;
    }
    lexer_indent(x, start, x->at - start);
}

static void lexer_end_line(lexer *x) {
    const btl_tokens *t = x->out;
    btl_token_kind last = t->ntokens ? (btl_token_kind)t->tokens[t->ntokens - 1].kind : TOKEN_NEWLINE;
    if (last != TOKEN_NEWLINE && last != TOKEN_INDENT && last != TOKEN_DEDENT) lexer_add(x, TOKEN_NEWLINE, x->at, 0);
}

static void lexer_step(lexer *x) {
    char c = x->text[x->at];
    if (c == ' ' || c == '\t' || (c == '\r' && lexer_peek(x, 1) == '\n')) {
        x->at++;
    } else if (c == '\n') {
        if (x->depth == 0) lexer_end_line(x);
        x->at++;
        lexer_line_start(x);
    } else if (c == '#') {
        lexer_comment(x);
    } else if (lexer_is_letter(c) || (c == '%' && lexer_is_word(lexer_peek(x, 1)) && !lexer_after_operand(x))) {
        lexer_word(x);
    } else if (lexer_is_digit(c) || (c == '.' && lexer_is_digit(lexer_peek(x, 1)) && !lexer_after_operand(x))) {
        lexer_number(x);
    } else if (c == '"') {
        lexer_text(x);
    } else {
        lexer_sign(x);
    }
}

/* Places point into the copy, a line at a time. */
static char *lexer_copy_lines(btl_arena *keep, const char *text, size_t bytes) {
    char *copy = btl_arena_strndup(keep, text, bytes);
    for (char *p = copy; (p = memchr(p, '\n', bytes - (size_t)(p - copy))); p++) {
        *p = 0;
        if (p > copy && p[-1] == '\r') p[-1] = 0;
    }
    return copy;
}

static void lexer_run(lexer *x) {
    if (x->bytes >= 3 && memcmp(x->text, "\xef\xbb\xbf", 3) == 0) x->at = 3; /* a byte order mark */
    lexer_line_start(x);
    while (x->at < x->bytes) lexer_step(x);
}

void btl_lex(btl_tokens *out, btl_arena *keep, btl_arena *scratch, const char *text, size_t bytes, const char *file) {
    *out = (btl_tokens){ .file = file };
    bool too_long = bytes >= UINT32_MAX;
    if (too_long) text = "", bytes = 0;
    lexer x = { .out = out, .scratch = scratch, .text = text, .bytes = (uint32_t)bytes, .nindents = 1 };
    out->text = lexer_copy_lines(keep, text, bytes);
    out->bytes = x.bytes;
    if (too_long) lexer_bad(&x, 0, 0, "the text is longer than 4 GB", NULL);
    lexer_run(&x);
    if (x.depth > 0 || x.unclosed) { /* once more, with the guess: the first reading took the rest for one line */
        out->ntokens = out->nlines = out->nerrors = 0;
        x.at = 0;
        x.depth = 0;
        x.nindents = 1;
        x.guess = true;
        lexer_run(&x);
    }
    if (x.depth > 0) lexer_unclosed(&x);
    lexer_end_line(&x);
    while (x.nindents-- > 1) lexer_add(&x, TOKEN_DEDENT, x.bytes, 0);
    lexer_add(&x, TOKEN_END, x.bytes, 0);
}

void btl_tokens_locate(btl_tokens *t, uint32_t offset, int *line, int *column) {
    int lo = 0, hi = t->nlines; /* the line begins at or before offset */
    while (hi - lo > 1) {
        int middle = lo + (hi - lo) / 2;
        if (t->lines[middle] <= offset) lo = middle;
        else hi = middle;
    }
    uint32_t from = t->lines[lo];
    *line = lo + 1;
    *column = 1;
    if (t->seen_line == *line && t->seen <= offset) from = t->seen, *column = t->seen_column;
    for (uint32_t i = from; i < offset; i++) *column += ((unsigned char)t->text[i] & 0xc0) != 0x80;
    t->seen = offset;
    t->seen_line = *line;
    t->seen_column = *column;
}
