/* lexer.h - the notation's text as tokens. The whole text is cut up before parsing, because a `fn`
 * is a range of tokens that is parsed anew at each use.
 *
 * A token is 8 bytes: a text of 1e5 nodes has 1.6 million of them. Line and column are found from
 * the offset when somebody asks. Lines and blocks are Python's: a NEWLINE ends a logical line, which
 * goes on inside brackets; INDENT and DEDENT open and close blocks.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_EXPR_LEXER_H
#define BTL_EXPR_LEXER_H

#include "expr/graph.h"

typedef enum btl_token_kind {
    TOKEN_END, TOKEN_NEWLINE, TOKEN_INDENT, TOKEN_DEDENT,
    TOKEN_BAD,      /* what is not in the notation; `length` is the number of its message */
    TOKEN_NAME, TOKEN_INTEGER, TOKEN_FLOAT, TOKEN_TEXT, TOKEN_ELLIPSIS,
    /* one character */
    TOKEN_LPAREN, TOKEN_RPAREN, TOKEN_LBRACKET, TOKEN_RBRACKET, TOKEN_COMMA, TOKEN_COLON, TOKEN_DOT,
    TOKEN_ASSIGN, TOKEN_QUESTION, TOKEN_ARROW, TOKEN_TILDE,
    /* binary operators */
    TOKEN_PLUS, TOKEN_MINUS, TOKEN_STAR, TOKEN_SLASH, TOKEN_FLOORDIV, TOKEN_PERCENT, TOKEN_AT, TOKEN_POWER,
    TOKEN_LESS, TOKEN_LESS_EQUAL, TOKEN_GREATER, TOKEN_GREATER_EQUAL, TOKEN_EQUAL, TOKEN_NOT_EQUAL,
    TOKEN_BIT_OR, TOKEN_BIT_XOR, TOKEN_BIT_AND, TOKEN_SHIFT_LEFT, TOKEN_SHIFT_RIGHT,
    /* reserved words */
    TOKEN_OR, TOKEN_AND, TOKEN_NOT, TOKEN_IF, TOKEN_ELSE, TOKEN_TRUE, TOKEN_FALSE, TOKEN_INF, TOKEN_NAN, TOKEN_NONE,
    TOKEN_FN, TOKEN_RETURN,
    /* reserved words that begin a statement */
    TOKEN_INPUT, TOKEN_SHARED, TOKEN_CONST, TOKEN_UPDATE, TOKEN_OUTPUT, TOKEN_FUNCTION, TOKEN_ASSERT,
    TOKEN_NKINDS
} btl_token_kind;

typedef struct btl_token {
    uint32_t start;                     /* offset in the text */
    uint32_t length : 24, kind : 8;
} btl_token;

typedef struct btl_lex_error { uint32_t start, length; const char *message, *hint; } btl_lex_error;

typedef struct btl_tokens {
    const char *text;       /* a copy, each line ended by a 0 */
    const char *file;
    uint32_t bytes;
    int ntokens, nlines, nerrors, token_capacity, line_capacity, error_capacity;
    btl_token *tokens;      /* the last is TOKEN_END */
    uint32_t *lines;        /* where each line begins */
    btl_lex_error *errors;  /* of the TOKEN_BAD */
    uint32_t seen;          /* the offset located last, its line and column: a line may be megabytes long */
    int seen_line, seen_column;
} btl_tokens;

/* Cuts up a text. Its copy, which places point to, lies in `keep`; the rest in `scratch`. A text
 * of 4 GiB or more becomes one bad token. */
void btl_lex(btl_tokens *out, btl_arena *keep, btl_arena *scratch, const char *text, size_t bytes, const char *file);

/* Line (from 1) and column (from 1, in characters) of an offset. */
void btl_tokens_locate(btl_tokens *t, uint32_t offset, int *line, int *column);
/* True for words that cannot be a variable's name. */
bool btl_word_is_reserved(const char *s, size_t length);
/* "')'", "a name", "the end of the line": for messages. */
const char *btl_token_kind_text(btl_token_kind kind);

#endif
