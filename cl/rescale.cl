// rescale.cl - between real numbers and the integers that stand for them.

// a / b rounded to nearest: the quotient of a device may be off by some units in the last place, enough to
// move a tie.
float divide(float a, float b)
{
    float quotient = a / b;
    float corrected = fma(fma(-quotient, b, a), 1.0f / b, quotient);
    return isfinite(corrected) ? corrected : quotient;
}

// The integer that stands for scale * value: rounded to nearest, ties to even, then clamped. A float beyond
// the range of int is clamped before it becomes one.
int quantized(float value, int zero, int low, int high)
{
    return clamp((int)clamp(rint(value), -16777216.0f, 16777216.0f) + zero, low, high);
}
