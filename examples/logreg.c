/* logreg.c - logistic regression through the C header alone: three functions on one state. */
#include <bitale/bitale.h>

#include <stdio.h>

static const char program[] =
    "shared w: f64[2] = 0\n"
    "shared b: f64 = 0\n"
    "fn probability(x) = sigmoid(x @ w + b)\n"
    "function train(x: f64[n, 2], y: f64[n], lr: f64 = 0.5):\n"
    "    p = probability(x)\n"
    "    cost = -mean(y * log(p) + (1 - y) * log(1 - p)) + 0.001 * sum(w * w)\n"
    "    gw, gb = grad(cost, [w, b])\n"
    "    update w = w - lr * gw\n"
    "    update b = b - lr * gb\n"
    "    output cost\n"
    "function accuracy(x: f64[n, 2], y: f64[n]):\n"
    "    output mean(f64((probability(x) > 0.5) == (y > 0.5)))\n"
    "function predict(x: f64[n, 2]):\n"
    "    output probability(x)\n";

enum { N = 200 };

int main(void) {
    double x[N][2], y[N], cost, accuracy, p, point[2] = { 1.5, 1.0 };
    for (int i = 0; i < N; i++) { /* points of a lattice; the class is which side of a line they lie on */
        x[i][0] = (i % 20) / 5.0 - 2;
        x[i][1] = (i / 20) / 2.5 - 2;
        y[i] = x[i][0] + 2 * x[i][1] > 0.3;
    }
    btl_context *ctx = NULL;
    btl_graph *g = NULL;
    btl_function *train = NULL, *measure = NULL, *predict = NULL;
    btl_state *state = NULL;
    btl_error e = { 0 };
    btl_status s = btl_context_new(NULL, &ctx);
    if (!s) s = btl_graph_new(ctx, &g);
    if (!s) s = btl_graph_parse(g, program, sizeof program - 1, "logreg.c");
    if (!s) s = btl_function_new(g, btl_entry_find(g, "train"), NULL, &train, &e);
    if (!s) s = btl_function_new(g, btl_entry_find(g, "accuracy"), NULL, &measure, &e);
    if (!s) s = btl_function_new(g, btl_entry_find(g, "predict"), NULL, &predict, &e);
    if (!s) s = btl_state_new(g, &state, &e);
    int64_t xs[] = { N, 2 }, ys[] = { N }, one[] = { 1, 2 }, ps[] = { 1 };
    btl_array in[3] = { btl_array_wrap(BTL_F64, 2, xs, x), btl_array_wrap(BTL_F64, 1, ys, y), { 0 } }; /* lr: its default */
    btl_array out = btl_array_wrap(BTL_F64, 0, NULL, &cost), right = btl_array_wrap(BTL_F64, 0, NULL, &accuracy);
    for (int i = 0; !s && i < 300; i++) s = btl_call(train, state, in, &out, NULL, &e);
    if (!s) s = btl_call(measure, state, in, &right, NULL, &e);
    btl_array single = btl_array_wrap(BTL_F64, 2, one, point), result = btl_array_wrap(BTL_F64, 1, ps, &p);
    if (!s) s = btl_call(predict, state, &single, &result, NULL, &e);
    if (!s) printf("cost %.3f, accuracy %.3f, p(1.5, 1.0) = %.3f\n", cost, accuracy, p);
    else fprintf(stderr, "%s\n", e.status ? e.message : g ? btl_graph_messages(g) : btl_status_text(s));
    btl_function_free(train), btl_function_free(measure), btl_function_free(predict);
    btl_state_free(state), btl_graph_free(g), btl_context_free(ctx);
    return s ? 1 : 0;
}
