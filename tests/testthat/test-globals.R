# The free names of code, without base's functions.
free <- function(code) setdiff(cpp_free_names(code, TRUE), ls(baseenv(), all.names = TRUE))

# A frame below the global environment with these variables, as a function's frame would be.
frame <- function(..., parent = globalenv()) list2env(list(...), parent = parent)

# The same function, as if defined in `envir`.
defined_in <- function(envir, fun) {
  environment(fun) <- envir
  fun
}

# Assigns variables in the global environment for the rest of a test.
local_globals <- function(..., test = parent.frame()) {
  values <- list(...)
  stopifnot(!any(names(values) %in% ls(globalenv(), all.names = TRUE)))
  list2env(values, globalenv())
  do.call(on.exit, list(bquote(rm(list = .(names(values)), envir = globalenv())), add = TRUE), envir = test)
}

# ---- What counts as a free name

test_that("free names come in the order of first appearance, each once", {
  expect_identical(free(quote(b + a * b + c1)), c("b", "a", "c1"))
})

test_that("a variable assigned before its use is local", {
  expect_identical(free(quote({ x <- a; x + 1 })), "a")
})

test_that("a variable used before its assignment is global", {
  expect_identical(free(quote({ y <- x; x <- 1 })), "x")
})

test_that("a variable in its own first assignment is global", {
  expect_identical(free(quote(x <- x + 1)), "x")
})

test_that("-> and = assign as <- does", {
  expect_identical(free(quote({ 1 -> x; y = 2; x + y })), character())
})

test_that("<<- to a variable from outside makes it global", {
  expect_identical(free(quote(count <<- 1)), "count")
})

test_that("<<- to an enclosing function's variable is local", {
  expect_identical(free(function() { n <- 0; function() n <<- n + 1 }), character())
})

test_that("a variable that one branch only assigns may be global", {
  expect_identical(free(quote({ if (p) x <- 1; x })), c("p", "x"))
})

test_that("a variable that both branches assign is local", {
  expect_identical(free(quote({ if (p) x <- 1 else x <- 2; x })), "p")
})

test_that("a branch that leaves needs to assign nothing", {
  expect_identical(free(quote({ if (p) stop("no") else x <- 2; x })), "p")
  expect_identical(free(quote({ if (p) { x <- 2 } else { return(1) }; x })), "p")
})

test_that("what stands in if (FALSE) is not needed", {
  expect_identical(free(quote(if (FALSE) a else b)), "b")
})

test_that("a variable assigned in a loop is local after it", {
  expect_identical(free(quote({ while (p) x <- 1; for (i in s) y <- i; x + y })), c("p", "s"))
})

test_that("the variable of for is local", {
  expect_identical(free(quote(for (i in items) print(i))), "items")
})

test_that("formals are local", {
  expect_identical(free(function(x, y) x + y + z), "z")
})

test_that("defaults of formals are read", {
  expect_identical(free(function(x, n = size(x) * k) n), c("size", "k"))
})

test_that("locals of a nested function do not hide names outside it", {
  expect_identical(free(quote({ f <- function(a) a; f(1) + a })), "a")
})

test_that("a nested function sees the variables around it", {
  expect_identical(free(function(x) { y <- 1; lapply(x, function(i) i + y + z) }), "z")
})

test_that("a local function may call itself", {
  expect_identical(free(quote({ f <- function(n) if (n > 0) f(n - 1); f(3) })), character())
})

test_that("the lambda shorthand is a function", {
  expect_identical(free(str2lang("\\(x) x + a")), "a")
})

test_that("local() has a scope of its own", {
  expect_identical(free(quote({ local({ x <- 1; x }); x })), "x")
})

test_that("assign() with a name assigns", {
  expect_identical(free(quote({ assign("x", v); x })), "v")
})

test_that("names after $ and @ are not variables", {
  expect_identical(free(quote(x$name + y@slot)), c("x", "y"))
})

test_that("pkg::fun needs neither a variable nor an attached package", {
  expect_identical(free(quote(stats::sd(x) + stats:::Pillai)), "x")
})

test_that("an assignment to a part needs the whole", {
  expect_identical(free(quote({ x[1] <- 2; x })), "x")
  expect_identical(free(quote({ x <- 1:3; x[i] <- 2 })), "i")
})

test_that("an assignment to a part makes the variable local from then on", {
  expect_identical(free(quote({ x$a <- 2; x$b })), "x")
})

test_that("a replacement function is needed under its own name", {
  expect_true(all(c("second<-", "x") %in% free(quote(second(x) <- 2))))
})

test_that("nested targets need the functions that read and those that replace", {
  expect_true(all(c("outer1<-", "inner1", "inner1<-", "x", "k") %in% free(quote(outer1(inner1(x))[k] <- 2))))
})

test_that("quoted code is not read", {
  expect_identical(free(quote(list(quote(a), expression(b), quote(c1)))), character())
})

test_that("bquote() needs what is unquoted", {
  expect_identical(free(quote(bquote(a + .(b) + f(.(c1))))), c("b", "c1"))
})

test_that("substitute() needs its environment only", {
  expect_identical(free(quote(substitute(a + b, list(a = v)))), "v")
})

test_that("variables of a formula count", {
  expect_identical(free(quote(lm1(y ~ x + z, data = d))), c("lm1", "y", "x", "z", "d"))
})

test_that("the package in library() is no variable", {
  expect_identical(free(quote({ library(MASS); require(stats) })), character())
})

test_that("library(character.only = TRUE) needs its variable", {
  expect_identical(free(quote(library(p, character.only = TRUE))), "p")
})

test_that("... is a free name unless it is a formal", {
  expect_identical(free(quote(f1(...))), c("f1", "..."))
  expect_identical(free(function(...) f1(...)), "f1")
})

test_that("..1 counts as ...", {
  expect_identical(free(quote(..1 + ..2)), "...")
  expect_identical(free(function(...) ..1), character())
})

test_that("names in do.call(), get() and match.fun() count", {
  expect_identical(free(quote(do.call("f1", list(get("a"), match.fun("g1"))))), c("f1", "a", "g1"))
})

test_that("empty arguments are no names", {
  expect_identical(free(quote(m[, 1])), "m")
})

test_that("byte-compiled closures read as others do", {
  fun <- function(x) { y <- x + a; f1(y) }
  expect_identical(free(compiler::cmpfun(fun)), free(fun))
})

test_that("functions inlined in code are read", {
  local_globals(avenir_g1 = 5)
  call <- as.call(list(defined_in(globalenv(), function() avenir_g1)))
  expect_identical(find_globals(call, globalenv())$globals, list(avenir_g1 = 5))
})

test_that("code nested too deeply is an error, not a crash", {
  code <- quote(a)
  for (i in 1:6000) code <- call("-", code)
  expect_error(cpp_free_names(code, TRUE), class = "avenir_invalid_argument")
})

# ---- The globals package as the oracle

# Where the walker and globals::findGlobals() differ on names that exist, in R 4.2 and MASS 7.3: the walker finds more.
branch <- "assigned in one branch only, so that the outer value may be needed; the oracle takes it for local"
inner <- "local to a nested function; the oracle then takes the same name outside it for local"
by_value <- "library(character.only = TRUE) or require() evaluates its argument; the oracle skips it"
disagreements <- list(
  "base::as.character.srcref lines" = branch,
  "base::findPackageEnv substr" = by_value, "base::loadNamespace version" = inner,
  "base::rbind.data.frame pi" = branch, "base::source lines" = branch, "base::source sd" = branch,
  "base::tryCatch names" = inner, "base::withRestarts names" = inner, "stats::anova.mlm df" = branch,
  "stats::plotNode col" = branch, "stats::quasi initialize" = branch, "stats::smoothEnds c" = inner,
  "stats::summary.aov names" = inner,
  "utils::argNames args" = branch, "utils::as.person.default c" = inner, "utils::demo browser" = branch,
  "utils::example browser" = branch, "utils::help.request url" = inner, "utils::read.DIF col" = branch,
  "methods::.doSubNextCall drop" = branch, "methods::.selectDotsMethod names" = inner,
  "methods::className className" = branch, "MASS::fitdistr df" = branch, "MASS::rlm.default scale" = branch
)

all_closures <- function(package) {
  namespace <- asNamespace(package)
  all <- mget(ls(namespace, all.names = TRUE), envir = namespace)
  all <- all[vapply(all, typeof, "") == "closure"]
  stats::setNames(all, paste0(package, "::", names(all)))
}

# With AVENIR_ALL_CLOSURES set all of them (the oracle takes 30 s), else one in ten and those on the list.
chosen_closures <- function(all) {
  if (nzchar(Sys.getenv("AVENIR_ALL_CLOSURES"))) return(all)
  all[names(all) %in% sub(" .*", "", names(disagreements)) | seq_along(all) %% 10L == 1L]
}

# Those of the names that a default session knows: other packages and the global environment have no say.
existing <- function(names, fun) {
  namespace <- topenv(environment(fun))
  from <- c(list(namespace, parent.env(namespace)), lapply(c("stats", "utils", "methods", "graphics"), asNamespace))
  inside <- function(name) any(vapply(from, exists, NA, x = name, inherits = FALSE))
  names[vapply(names, inside, NA) | names %in% ls(baseenv(), all.names = TRUE)]
}

# "package::closure name" of each name that one of the two finds and the other does not.
differences <- function(fun, closure) {
  theirs <- existing(globals::findGlobals(fun, dotdotdot = "ignore", attributes = FALSE), fun)
  ours <- existing(setdiff(cpp_free_names(fun, FALSE), "..."), fun)
  label <- function(x) if (length(x)) paste(closure, x)
  list(missed = label(setdiff(theirs, ours)), extra = label(setdiff(ours, theirs)))
}

test_that("the walker misses no name that globals::findGlobals() finds, and agrees on 99 % of the closures", {
  skip_if_not_installed("globals")
  skip_if_not_installed("MASS")
  all <- unlist(lapply(c("base", "stats", "utils", "methods", "MASS"), all_closures))
  chosen <- chosen_closures(all)
  found <- Map(differences, chosen, names(chosen))
  extra <- unlist(lapply(found, `[[`, "extra"), use.names = FALSE)
  expect_identical(unlist(lapply(found, `[[`, "missed"), use.names = FALSE), NULL)
  expect_lte(length(unique(sub(" .*", "", extra))), length(all) / 100)
  if (getRversion() < "4.3") expect_identical(setdiff(extra, names(disagreements)), character())
})

test_that("values agree with globals::globalsOf() on a function with helpers", {
  skip_if_not_installed("globals")
  local_globals(avenir_g1 = 2, avenir_g2 = defined_in(globalenv(), function(x) x * avenir_g1))
  fun <- defined_in(globalenv(), function(x) sd(vapply(x, avenir_g2, 0)))
  theirs <- globals::cleanup(globals::globalsOf(fun, envir = globalenv(), mustExist = FALSE))
  expect_setequal(names(find_function_globals(fun, list(), globalenv())$globals), names(theirs))
})

# ---- Which values travel

test_that("a variable of the global environment travels", {
  local_globals(avenir_g1 = 1:3)
  expect_identical(find_globals(quote(sum(avenir_g1)), globalenv())$globals, list(avenir_g1 = 1:3))
})

test_that("a variable of a frame on the way outwards travels", {
  found <- find_globals(quote(a + b), frame(a = 1, parent = frame(b = 2)))
  expect_identical(found$globals, list(a = 1, b = 2))
})

test_that("the nearest frame wins", {
  expect_identical(find_globals(quote(a), frame(a = 1, parent = frame(a = 2)))$globals, list(a = 1))
})

test_that("globals that are missing are ignored", {
  expect_identical(find_globals(quote(avenir_no_such_thing), globalenv())$globals, list())
})

test_that("functions of base are not sent", {
  found <- find_globals(quote(paste(letters)), globalenv())
  expect_identical(found[c("globals", "packages")], list(globals = list(), packages = character()))
})

test_that("a NULL global travels", {
  expect_identical(find_globals(quote(a), frame(a = NULL))$globals, list(a = NULL))
})

test_that("an attached package goes by name, not by value", {
  found <- find_globals(quote(sd(1:3)), globalenv())
  expect_identical(found[c("globals", "packages")], list(globals = list(), packages = "stats"))
})

test_that("packages asked for are added once", {
  found <- find_globals(quote(sd(1)), globalenv(), packages = c("tools", "stats"))
  expect_identical(found$packages, c("stats", "tools"))
})

test_that("a copy of an attached package's function brings the package", {
  expect_identical(find_globals(quote(f(1)), frame(f = stats::sd))$packages, "stats")
})

test_that("a function of a package that is not attached travels without it", {
  found <- find_globals(quote(f(1)), frame(f = tools::toTitleCase))
  expect_identical(found$globals, list(f = tools::toTitleCase))
  expect_identical(found$packages, character())
})

test_that("an attached list's variables travel", {
  attach(list(avenir_g1 = 7), name = "avenir_attached", warn.conflicts = FALSE)
  on.exit(detach("avenir_attached", character.only = TRUE))
  found <- find_globals(quote(avenir_g1), globalenv())
  expect_identical(found[c("globals", "packages")], list(globals = list(avenir_g1 = 7), packages = character()))
})

test_that("a package's own function that it does not export travels when the code stands in the package", {
  found <- find_globals(quote(Pillai(1, 2, 3)), frame(parent = asNamespace("stats")))
  expect_identical(names(found$globals), "Pillai")
})

test_that("a package's exported function is not sent when the package is attached", {
  found <- find_globals(quote(sd(1)), frame(parent = asNamespace("stats")))
  expect_identical(found[c("globals", "packages")], list(globals = list(), packages = "stats"))
})

test_that("native symbols of a package are not sent", {
  expect_identical(find_globals(quote(.Call(C_cor, 1)), frame(parent = asNamespace("stats")))$globals, list())
})

test_that("what a global function needs is found too", {
  local_globals(avenir_g1 = 3, avenir_g2 = defined_in(globalenv(), function() avenir_g1))
  expect_identical(names(find_globals(quote(avenir_g2()), globalenv())$globals), c("avenir_g2", "avenir_g1"))
})

test_that("functions that call each other end the search", {
  local_globals(avenir_g1 = defined_in(globalenv(), function() avenir_g2()),
                avenir_g2 = defined_in(globalenv(), function() avenir_g1()))
  expect_identical(names(find_globals(quote(avenir_g1()), globalenv())$globals), c("avenir_g1", "avenir_g2"))
})

test_that("functions in a list are looked into", {
  local_globals(avenir_g1 = 3)
  tools <- list(first = defined_in(globalenv(), function() avenir_g1))
  expect_identical(names(find_globals(quote(tools$first()), frame(tools = tools))$globals), c("tools", "avenir_g1"))
})

test_that("a closure's own frame is not sent a second time", {
  counter <- defined_in(frame(n = 10), function() n)
  expect_identical(names(find_globals(quote(counter()), frame(counter = counter))$globals), "counter")
})

test_that("functions in a closure's frame are looked into", {
  local_globals(avenir_g1 = 3)
  inner <- defined_in(globalenv(), function(x) x + avenir_g1)
  outer <- defined_in(frame(inner = inner), function(x) inner(x))
  expect_identical(find_function_globals(outer, list(), globalenv())$globals, list(avenir_g1 = 3))
})

test_that("a promise is forced once and its value travels", {
  forced <- 0
  wrapper <- function(x) find_globals(quote(x + x), environment())$globals
  expect_identical(wrapper({ forced <- forced + 1; 42 }), list(x = 42))
  expect_identical(forced, 1)
})

test_that("a default of an argument travels as its value", {
  wrapper <- function(n = 1 + 1) find_globals(quote(n), environment())$globals
  expect_identical(wrapper(), list(n = 2))
})

test_that("an error in a promise is the caller's", {
  wrapper <- function(x) find_globals(quote(x), environment())
  expect_error(wrapper(stop("no such luck")), "no such luck")
})

test_that("an argument that was not given is left out", {
  wrapper <- function(x, y) find_globals(quote(if (missing(x)) y else x), environment())$globals
  expect_identical(wrapper(y = 2), list(y = 2))
})

test_that("an argument passed on that was not given is left out", {
  inner <- function(x) find_globals(quote(x), environment())$globals
  outer <- function(x) inner(x)
  expect_identical(outer(), list())
})

test_that("an active binding travels as its value", {
  env <- frame()
  makeActiveBinding("now", function() 7, env)
  expect_identical(find_globals(quote(now), env)$globals, list(now = 7))
})

# ---- Expressions that must be bound

test_that("an expression with ... gets its values", {
  wrapper <- function(...) find_globals(quote(sum(...)), environment())
  found <- wrapper(1, b = 2)
  expect_identical(found$globals, list(future.call.arguments = list(1, b = 2)))
  expect_identical(eval(found$expr, frame(future.call.arguments = list(1, b = 2))), 3)
})

test_that("an expression with ..1 gets the values of ...", {
  wrapper <- function(...) find_globals(quote(..2), environment())
  found <- wrapper(1, 5)
  expect_identical(eval(found$expr, list2env(found$globals)), 5)
})

test_that("... without values is an empty list", {
  wrapper <- function(...) find_globals(quote(list(...)), environment())$globals
  expect_identical(wrapper(), list(future.call.arguments = list()))
})

test_that("... where there is none is ignored", {
  expect_identical(find_globals(quote(sum(...)), globalenv())$globals, list())
})

test_that("a frame's variable does not replace the global one of the same name that a function needs", {
  local_globals(avenir_g1 = 10, avenir_g2 = defined_in(globalenv(), function() avenir_g1))
  found <- find_globals(quote(avenir_g1 + avenir_g2()), frame(avenir_g1 = 1))
  expect_identical(found$globals$avenir_g1, 10)
  expect_identical(eval(found$expr, list2env(found$globals["future.local.globals"], parent = globalenv())), 11)
})

# ---- Maps

test_that("a map's function is looked up from its own environment", {
  local_globals(avenir_g1 = 1)
  fun <- defined_in(globalenv(), function(x) x + avenir_g1)
  expect_identical(find_function_globals(fun, list(), frame(avenir_g1 = 2))$globals, list(avenir_g1 = 1))
})

test_that("functions among a map's further arguments are looked into", {
  local_globals(avenir_g1 = 1)
  helper <- defined_in(globalenv(), function(x) avenir_g1)
  expect_identical(find_function_globals(identity, list(f = helper), globalenv())$globals, list(avenir_g1 = 1))
})

test_that("language among a map's further arguments is looked up from the caller", {
  expect_identical(find_function_globals(identity, list(quote(a + 1)), frame(a = 4))$globals, list(a = 4))
})

test_that("a formula among a map's further arguments is looked up from its environment", {
  local_globals(avenir_g1 = 1)
  formula <- avenir_g1 ~ b
  environment(formula) <- frame(b = 2)
  expect_identical(find_function_globals(identity, list(formula), globalenv())$globals, list(avenir_g1 = 1))
})

test_that("a map's function of an attached package brings the package", {
  found <- find_function_globals(stats::sd, list(), globalenv())
  expect_identical(found, list(globals = list(), packages = "stats"))
})

test_that("a primitive as a map's function needs nothing", {
  expect_identical(find_function_globals(sum, list(), globalenv()), list(globals = list(), packages = character()))
})

# ---- globals =

test_that("globals = FALSE sends nothing", {
  expect_identical(find_globals(quote(a), frame(a = 1), globals = FALSE)$globals, list())
})

test_that("globals by name come from the frame", {
  expect_identical(find_globals(quote(1), frame(a = 1, b = 2), globals = c("b", "a"))$globals, list(b = 2, a = 1))
})

test_that("globals by name that do not exist are ignored", {
  expect_identical(find_globals(quote(1), frame(), globals = "avenir_no_such_thing")$globals, list())
})

test_that("globals by name are not looked into", {
  local_globals(avenir_g1 = 1)
  env <- frame(f = defined_in(globalenv(), function() avenir_g1))
  expect_identical(names(find_globals(quote(f()), env, globals = "f")$globals), "f")
})

test_that("globals by name may be of an attached package", {
  found <- find_globals(quote(sd(1)), globalenv(), globals = "sd")
  expect_identical(found[c("globals", "packages")], list(globals = list(), packages = "stats"))
})

test_that("globals by value are taken as they are", {
  expect_identical(find_globals(quote(a), frame(a = 1), globals = list(a = 5, f = NULL))$globals, list(a = 5, f = NULL))
})

test_that("globals by value bring the packages of their functions", {
  expect_identical(find_globals(quote(f(1)), globalenv(), globals = list(f = stats::sd))$packages, "stats")
})

test_that("an empty list of globals is none", {
  expect_identical(find_globals(quote(a), frame(a = 1), globals = list())$globals, list())
})

test_that("attribute add adds to what is found, by name and by value", {
  env <- frame(a = 1, b = 2)
  expect_identical(find_globals(quote(a), env, globals = structure(TRUE, add = "b"))$globals, list(a = 1, b = 2))
  expect_identical(find_globals(quote(a), env, globals = structure(FALSE, add = list(d = 3)))$globals, list(d = 3))
})

test_that("attribute ignore leaves names out", {
  expect_identical(find_globals(quote(a + b), frame(a = 1, b = 2), globals = structure(TRUE, ignore = "a"))$globals,
                   list(b = 2))
})

test_that("bad globals are refused", {
  bad <- list(NA, c(TRUE, FALSE), NULL, 3, list(1), list(a = 1, 2), list(a = 1, a = 2), c("a", NA), "",
              structure(TRUE, add = 3), structure(TRUE, ignore = 3))
  for (globals in bad) {
    expect_error(find_globals(quote(a), globalenv(), globals = globals), class = "avenir_invalid_argument")
  }
})

test_that("bad globals of a map are refused by the name of its argument", {
  expect_error(find_function_globals(identity, list(), globalenv(), globals = 3), "`future.globals`",
               class = "avenir_invalid_argument")
})

# ---- What cannot travel

local_connection <- function(test = parent.frame()) {
  connection <- file(nullfile(), open = "r")
  do.call(on.exit, list(bquote(close(.(connection))), add = TRUE), envir = test)
  connection
}

local_option <- function(..., test = parent.frame()) {
  do.call(on.exit, list(bquote(options(.(options(...)))), add = TRUE), envir = test)
}

test_that("references are not looked for by default", {
  expect_silent(check_exportable(list(con = local_connection())))
})

test_that("a connection among the globals is an error when asked for", {
  local_option(future.globals.onReference = "error")
  error <- expect_error(check_exportable(list(a = 1, con = local_connection())), class = "FutureError")
  expect_match(conditionMessage(error), "`con` \\(class `file`\\)")
})

test_that("a connection among the globals is a warning when asked for", {
  local_option(future.globals.onReference = "warning")
  expect_warning(check_exportable(list(con = local_connection())), class = "FutureWarning")
})

test_that("an external pointer deep inside a global is found", {
  pointer <- attr(local_connection(), "conn_id")
  expect_identical(find_reference(list(1, list(frame(p = pointer)))), pointer)
  expect_identical(find_reference(defined_in(frame(p = pointer), function() p)), pointer)
})

test_that("an external pointer to nothing is harmless", {
  expect_null(find_reference(new("externalptr")))
})

test_that("globals without references pass", {
  local_option(future.globals.onReference = "error")
  expect_silent(check_exportable(list(a = 1, f = mean, e = frame(x = letters), d = iris)))
})

# ---- Size

test_that("the size of a global is that of its bytes", {
  sizes <- globals_size(list(a = 1:10 + 0, b = "x"))
  expect_identical(sizes, c(a = length(serialize(1:10 + 0, NULL, xdr = FALSE)) + 0,
                            b = length(serialize("x", NULL, xdr = FALSE)) + 0))
})

test_that("the message about globals that are too large names the largest", {
  globals <- list(small = 1, big = numeric(1e4))
  message <- size_message(globals, sum(globals_size(globals)), 1000)
  expect_match(message, "`big` \\(78\\.1. KiB, class `numeric`\\), `small`")
  expect_match(message, "exceeds the maximum allowed size of 1000 bytes (option `future.glob", fixed = TRUE)
})

test_that("functions in lists in lists are looked into", {
  assign("avenir_test_a", 1, globalenv())
  on.exit(rm("avenir_test_a", envir = globalenv()))
  fun <- eval(quote(function() avenir_test_a), globalenv())
  nested <- list(list(1, list(fun)))
  expect_named(find_function_globals(identity, list(nested), globalenv())$globals, "avenir_test_a")
  expect_named(getGlobalsAndPackages(nested, envir = globalenv())$globals, "avenir_test_a")
})
