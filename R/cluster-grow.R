# How many workers a plan of nodes has: more as there is more to do, and others for those that are lost.

# With n = c(least, most) there are more workers when there is more to do. Those that are lost for good do not count.
grow_for <- function(backend, count) {
  most <- backend$launcher$max
  if (is.null(most)) return(invisible())
  if (cpp_cluster_capacity(backend$engine) < backend$workers && is_due(backend, count)) discount_lost(backend)
  if (backend$workers >= most) return(invisible())
  free <- backend$workers - busy_workers(backend)
  lacking <- min(count - free, most - backend$workers)
  if (lacking > 0L) launch_nodes(backend, lacking)
}

busy_workers <- function(backend) backend$workers - min(backend$workers, cpp_engine_free_workers(backend$engine))

# As long as nodes wait in a queue every single future asks: that much once a second is enough.
is_due <- function(backend, count) {
  now <- cpp_monotonic_seconds()
  due <- count > 1L || now >= backend$count_again
  if (due) backend$count_again <- now + 1
  due
}

discount_lost <- function(backend) {
  for (command in backend$launches) {
    lost <- lost_nodes(backend, command)
    backend$discounted <- c(backend$discounted, lost)
    backend$workers <- backend$workers - length(lost) * command$workers %/% command$count
  }
}

# The numbers of those nodes of a launch that have gone and will not come again. One that was refused would be so again.
lost_nodes <- function(backend, command) {
  nodes <- cpp_cluster_nodes(backend$engine)
  nodes <- nodes[nodes$group == command$group, ]
  nodes <- nodes[order(nodes$node), ]
  last <- nodes[!duplicated(nodes$rank, fromLast = TRUE), ]
  gone <- last[last$state == "gone" & !last$node %in% backend$discounted, ]
  if (!nrow(gone)) return(integer())
  gone$node[gone$rank %in% launch_lost(backend$launcher, command$id, gone$rank)]
}
