return scenario "hotstuff-corrupt-bytes" {
  summary  = "A third of what one replica of a correct cluster of hotstuff says is corrupted on the way.",
  protocol = "hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "corrupt-bytes",
  phases   = { before = 2, during = 5, after = 2 },
  expect   = { verdict = "holds" },
}
