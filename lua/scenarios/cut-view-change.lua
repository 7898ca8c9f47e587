return scenario "cut-view-change" {
  summary  = "A link of a correct cluster is cut while view changes are said: they are said again.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16 },
  attack   = "cut-view-change",
  phases   = { before = 0.5, during = 6, after = 2 },
  expect   = { verdict = "holds" },
}
