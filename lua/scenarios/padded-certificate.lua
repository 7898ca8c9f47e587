return scenario "padded-certificate" {
  summary  = "A traitor shows a correct cluster certificates of one signature many times over: nobody follows.",
  protocol = "chained-hotstuff",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16 },
  attack   = "padded-certificate",
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds" },
}
