#pragma once

// R's inversion: rnorm() from two uniform numbers of 32 bits, by way of qnorm().
//
// M. J. Wichura (1988), Algorithm AS 241: The percentage points of the normal distribution, Applied Statistics 37.
// Operations are those of R in R's order, and none may be fused, so that results are R's to the bit: the logarithm is
// the C library's, as there. For probabilities that two uniform numbers can give (2^-59 to 1) all versions of R since
// 3.0 agree; what R 4.3 changed lies below 2^-1051.
namespace avenir::rng {

// A quotient of polynomials; coefficients from that of the highest power to the constant.
struct Rational {
  double above[8], below[8];
};

inline constexpr Rational kCentral = {
    {2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457, 13731.693765509461125,
     1971.5909503065514427, 133.14166789178437745, 3.387132872796366608},
    {5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867, 5394.1960214247511077,
     687.1870074920579083, 42.313330701600911252, 1.0}};

inline constexpr Rational kTail = {
    {7.7454501427834140764e-4, .0227238449892691845833, .24178072517745061177, 1.27045825245236838258,
     3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734},
    {1.05075007164441684324e-9, 5.475938084995344946e-4, .0151986665636164571966, .14810397642748007459,
     .68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0}};

inline constexpr Rational kFarTail = {
    {2.01033439929228813265e-7, 2.71155556874348757815e-5, .0012426609473880784386, .026532189526576123093,
     .29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772},
    {2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
     .0148753612908506148525, .13692988092273580531, .59983220655588793769, 1.0}};

// Probabilities further than this from 1/2 belong to the tails.
inline constexpr double kCentre = .425;
inline constexpr double kCentreSquared = .180625;

// In the tails the distance is sqrt(-log(p)), from here on in the far ones.
inline constexpr double kFar = 5;
inline constexpr double kTailShift = 1.6;

inline constexpr double kBig = 134217728;  // 2^27

// Of a probability p in a tail: sqrt(-log()) of the part that p leaves, or is.
double tail_root(double p);

// The distance of that quantile from 0, for a root above kFar.
double far_tail_distance(double root);

// qnorm(p) for p in (0, 1].
double normal_quantile(double p);

// The number that rnorm(1) makes of two of runif(1).
double normal_number(double u, double v);

}  // namespace avenir::rng
