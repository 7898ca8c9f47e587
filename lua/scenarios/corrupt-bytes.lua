return scenario "corrupt-bytes" {
  summary  = "A third of what one backup says is corrupted on the way.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "corrupt-bytes",
  phases   = { before = 2, during = 5, after = 2 },
  expect   = { verdict = "holds" },
}
