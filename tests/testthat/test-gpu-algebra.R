# Linear algebra of gpu_array on every device there is, against base R's.

square <- local({
  x <- crossprod(matrix(sin(1:70), 10)) + diag(7)
  dimnames(x) <- list(letters[1:7], LETTERS[1:7])
  x
})
values <- list(a = square, b = matrix(cos((1:21)^2), 7, dimnames = list(NULL, c("x", "y", "z"))),
               w = matrix(sin(1:35)^2, 5),
               v = as.double(1:7), i = matrix(1:14, 7), u = c(p = 2, q = -1), e = matrix(0, 0, 7), z = matrix(0, 7, 0))

test_that("products are base R's", {
  codes <- expression(a %*% b, a %*% a, t(a) %*% b, t(b) %*% b, b %*% t(b), w %*% a, a %*% v, v %*% a, v %*% v,
                      i %*% t(i),
                      crossprod(a), crossprod(a, b), crossprod(b), tcrossprod(b), tcrossprod(a, w), crossprod(v),
                      tcrossprod(v), crossprod(v, a), tcrossprod(v, v), crossprod(i), e %*% a, a %*% z, z %*% t(z),
                      crossprod(e), t(a), t(t(b)), t(a) + 1, outer(u, v), outer(v, u, "+"), u %o% v, kronecker(i, u),
                      kronecker(w, i), crossprod(2 * a + 1))
  for (device in test_devices()) for (code in codes) compare_code(code, values, device, "product")
})

test_that("arrays and ordinary matrices multiply each other", {
  for (device in test_devices()) {
    x <- gpu_array(square, device = device)
    expect_as_base(x %*% values$b, square %*% values$b, "product")
    expect_as_base(values$w %*% x, values$w %*% square, "product")
    expect_as_base(crossprod(values$b, x), crossprod(values$b, square), "product")
    expect_as_base(solve(x, values$v), solve(square, values$v), "solution")
  }
})

test_that("missing and infinite elements go through products as in base R", {
  for (x in list(c(1, NA, 3, 0), c(0, Inf, 1, 2), c(NaN, 0, 0, 0))) {
    m <- matrix(x, 2)
    expect_as_base(gpu_array(m, device = "cpu") %*% diag(2), m %*% diag(2))
    expect_as_base(crossprod(gpu_array(m, device = "cpu")), crossprod(m))
  }
})

test_that("factors and solutions are base R's", {
  codes <- expression(chol(a), chol2inv(chol(a)), solve(a), solve(a, b), solve(a, v), backsolve(chol(a), b),
                      backsolve(chol(a), v, transpose = TRUE), forwardsolve(t(chol(a)), b),
                      backsolve(chol(a), b[1:3, ], k = 3),
                      diag(a), diag(u), diag(w), norm(a), norm(a, "I"), norm(a, "F"), norm(a, "M"), norm(b, "2"),
                      det(a),
                      as.vector(determinant(a)$modulus), determinant(-a[1:3, 1:3])$sign,
                      as.vector(determinant(-a[1:3, 1:3], logarithm = FALSE)$modulus), solve(i[1:2, ]),
                      svd(b, 0, 0)$d, svd(w)$d, eigen(a)$values, eigen(a, only.values = TRUE)$values,
                      eigen(a[c(2:7, 1), ])$values, qr.coef(qr(b), v), qr.solve(b, v), solve(qr(a), v))
  for (device in test_devices()) for (code in codes) compare_code(code, values, device, "solution")
})

test_that("decompositions multiply to the matrix, whatever their signs", {
  for (device in test_devices()) {
    for (x in list(values$b, t(values$b), square, matrix(2, 1, 1))) {
      array <- gpu_array(x, device = device)
      q <- qr(array)
      expect_as_base(qr.Q(q) %*% qr.R(q), unname_rows(x), "solution")
      expect_as_base(crossprod(qr.Q(q)), diag(min(dim(x))), "solution")
      expect_identical(q$rank, min(dim(x)))
      s <- svd(array)
      expect_as_base(s$u %*% diag(s$d, length(s$d)) %*% t(s$v), unname(x), "solution")
      expect_identical(dim(svd(array, nu = 1, nv = 0)$u), c(nrow(x), 1L))
    }
    symmetric <- eigen(gpu_array(square, device = device))
    expect_as_base(symmetric$vectors %*% diag(symmetric$values) %*% t(symmetric$vectors), unname(square), "solution")
    rotation <- matrix(c(0, 1, -1, 0), 2)
    complex <- eigen(gpu_array(rotation, device = device))
    expect_equal(complex$values, eigen(rotation)$values)
    expect_equal(rotation %*% complex$vectors, complex$vectors %*% diag(complex$values))
  }
})

test_that("floats are factored as floats", {
  for (device in test_devices()) {
    x <- gpu_array(square, type = "float", device = device)
    for (of in list(x %*% x, crossprod(x), chol(x), solve(x), solve(x, values$v), chol2inv(chol(x)), qr.R(qr(x)),
                    svd(x)$d,
                    eigen(x)$values, backsolve(chol(x), values$v), t(x))) {
      expect_identical(gpu_type(of), "float")
    }
    expect_as_base(x %*% x, square %*% square, "float")
    expect_as_base(chol(x), chol(square), "float_solution")
    expect_as_base(solve(x), solve(square), "float_solution")
    expect_as_base(svd(x)$d, svd(square)$d, "float_solution")
  }
})

test_that("extents of 0 and 1 are no exception", {
  empty <- matrix(0, 0, 0)
  codes <- expression(crossprod(e), e %*% z, t(e), rowSums(e), colSums(e), norm(e), diag(e), chol(o), solve(o), det(o),
                      svd(o)$d,
                      eigen(o)$values, o %*% o, crossprod(o), qr.R(qr(o)))
  of <- list(e = empty, z = empty, o = matrix(4))
  for (device in test_devices()) for (code in codes[-15]) compare_code(code, of, device, "solution")
  for (device in test_devices()) expect_equal(abs(as.vector(qr.R(qr(gpu_array(of$o, device = device))))), 4)
})

test_that("what has no factor, inverse or product is an error in base R's words", {
  invalid <- "avenir_invalid_argument"
  for (device in test_devices()) {
    x <- gpu_array(square, device = device)
    singular <- gpu_matrix(c(1, 2, 2, 4), 2, device = device)
    expect_error(x %*% x[1:2, ], "non-conformable arguments: 7 x 7 and 2 x 7", class = invalid)
    expect_error(crossprod(x, x[1:2, ]), "non-conformable", class = invalid)
    expect_error(chol(-x), "the leading minor of order 1 is not positive definite", class = invalid)
    expect_error(chol(singular - 1), "not positive definite", class = invalid)
    expect_error(chol(x[1:2, ]), "must be square", class = invalid)
    expect_error(solve(singular), "exactly singular: U\\[2,2\\] = 0", class = invalid)
    nearly <- gpu_matrix(c(1, 2, 2, 4 + 1e-15), 2, device = device)
    expect_error(solve(nearly), "computationally singular: reciprocal condition number = ", class = invalid)
    expect_error(solve(x, 1:2), "must be compatible", class = invalid)
    expect_error(backsolve(diag(c(1, 0)) + 0 * singular, c(1, 1)), "singular matrix in 'backsolve'", class = invalid)
    expect_error(qr.coef(qr(cbind(singular, 1)[, 1:2]), 1:2), "singular matrix: its rank is 1", class = invalid)
    expect_error(eigen(x[1:2, ]), "non-square", class = invalid)
    expect_error(eigen(x / 0), "infinite or missing", class = invalid)
    expect_error(norm(x, "Q"), "must be one of", class = invalid)
    expect_error(svd(x, nu = 9), "from 0 to 7", class = invalid)
    expect_error(det(x[1:2, ]), "must be square", class = invalid)
    expect_error(x %*% "a", "numeric", class = invalid)
  }
})
