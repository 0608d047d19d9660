# Run by test-same-output.R under each plan, named by the last argument. What it writes must not depend on the plan.
suppressPackageStartupMessages(library(avenir))
argument <- commandArgs(trailingOnly = TRUE)
if (argument == "sequential") plan(sequential) else plan(argument, workers = I(2))

# ---- values ----

a <- 3
square <- function(x) x^2
value(future(square(a)))
value(future(invisible(a)))
print(value(future(NULL)))
str(value(list(one = future(1:3), two = 2, three = future(list(x = "y", z = NA)))))
value(future(data.frame(x = 1:3, y = letters[1:3])))
value(future(structure(list(1), class = "odd")))
all.equal(value(future(y ~ x + a)), y ~ x + a)
value(future(quote(f(x))))
v %<-% { cat("assigned\n"); a + 1 }
v
identical(value(future(square))(4), 16)

# ---- output and conditions ----

f <- future({
  cat("to standard output\n")
  message("a message")
  print(1:30)
  warning("a warning")
  cat("without an end of line")
  message("a message without an end of line", appendLF = FALSE)
  "value"
})
cat("between\n")
value(f)
value(f)
value(future({ warning("deferred"); warning("deferred too"); 1 }))
withCallingHandlers(
  value(future({ message("handled"); warning("handled too"); 2 })),
  message = function(m) { cat("<", conditionMessage(m), ">"); invokeRestart("muffleMessage") },
  warning = function(w) { cat("<", conditionMessage(w), ">\n"); invokeRestart("muffleWarning") }
)
f <- future(signalCondition(structure(class = c("own", "condition"), list(message = "own", call = NULL))))
withCallingHandlers(value(f), condition = function(c) cat("condition", class(c), "\n"))
value(future({ cat("not seen\n"); message("seen"); 3 }, stdout = FALSE))
value(future({ cat("seen\n"); message("not seen"); 4 }, conditions = character()))
capture.output(x <- value(future({ print("captured"); message("beside"); 5 })))
x
invisible(value(future({ print(structure(1, class = "shown")); 6 })))

# ---- errors ----

failing <- function(x) stop("failed at ", x, call. = x > 1)
tryCatch(value(future(failing(1))), error = print)
tryCatch(value(future(failing(2))), error = print)
tryCatch(value(future(log("a"))), error = function(e) { print(class(e)); print(conditionCall(e)) })
tryCatch(value(future({ print("before"); warning("before"); stop("after") })), error = function(e) cat("error\n"))
try(value(future(failing(3))))
mine <- structure(class = c("mine", "error", "condition"), list(message = "m", call = NULL, x = 7))
tryCatch(value(future(stop(mine))), mine = function(e) print(e$x))
tryCatch(value(future(no_such_variable_here)), error = print)
inherits(try(value(future(no_such_function_here())), silent = TRUE), "try-error")
value(future(tryCatch(stop("inside"), error = function(e) "caught", finally = cat("finally\n"))))
value(future(1, packages = "stats"))

# ---- maps ----

future_lapply(c(a = 1, b = 2), square)
future_sapply(letters[1:3], function(x) { cat("element", x, "\n"); toupper(x) })
future_vapply(1:3, function(i) { if (i == 2) warning("two"); i / 2 }, 0)
future_sapply(1:6, function(i) { message("m", i); i }, future.chunk.size = 2)
future_mapply(function(x, y) { cat(x, "and", y, "\n"); x + y }, c(a = 1, b = 2), 4:5)
future_Map(function(x, y) { message(x); rep(y, x) }, 1:2, c("p", "q"))
future_apply(matrix(1:4, 2), 1, function(row) { if (row[1] == 2) warning("row two"); sum(row) })
future_lapply(list(), square)
tryCatch(future_lapply(1:5, function(i) { cat("at", i, "\n"); if (i == 3) stop("three"); i }), error = print)
future_sapply(1:4, function(i) sum(future_sapply(1:i, function(j) { cat("nested", i, j, "\n"); i * j })))
future_sapply(1:2, function(i) value(future({ message("inner ", i); i * 10 })))
future_lapply(1:2, function(i) invisible(i))

# ---- random numbers ----

set.seed(1)
value(future(rnorm(3), seed = TRUE))
value(future(rnorm(3), seed = 42))
unlist(future_lapply(1:3, function(i) runif(1), future.seed = TRUE))
unlist(future_lapply(1:3, function(i) sample(100, 1), future.seed = 7))
future_replicate(3, rexp(1))
value(future(runif(1) < 2, seed = NULL))
value(future({ runif(1); "drawn without a seed" }, label = "draws"))
future_sapply(1:3, function(i) runif(1) < 2)
RNGkind("L'Ecuyer-CMRG", "Box-Muller")
set.seed(2)
future_sapply(1:2, function(i) sum(future_sapply(1:2, function(j) rnorm(1), future.seed = TRUE)), future.seed = TRUE)
runif(2)

# ---- what is left ----

nbrOfWorkers() >= 1
ls()
sink.number()
RNGkind()
.Random.seed
value(future({ warning("the last words"); stop("the script ends here") }))
