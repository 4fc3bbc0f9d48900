/* extern.c: what extern.ad calls. */
double soft(double x, int k);

double soft(double x, int k) { return x * x + k; }
