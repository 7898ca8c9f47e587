return scenario "chained-hotstuff-corrupt-bytes" {
  summary  = "A third of what one replica of a correct cluster of chained-hotstuff says is corrupted on the way.",
  protocol = "chained-hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "corrupt-bytes",
  phases   = { before = 2, during = 5, after = 2 },
  expect   = { verdict = "holds" },
}
