return scenario "starve-replica" {
  summary  = "The leader of a correct cluster keeps one backup in the dark.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "starve-replica",
  phases   = { before = 2, during = 5, after = 2 },
  expect   = { verdict = "holds" },
}
