return scenario "silent-leader" {
  summary  = "The leader of a correct cluster falls silent; the others change the view and go on.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "silent-leader",
  phases   = { before = 2, during = 5, after = 2 },
  expect   = { verdict = "holds" },
}
