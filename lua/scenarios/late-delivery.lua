return scenario "late-delivery" {
  summary  = "A replica of a correct cluster hears of a sequence number only after the state that holds it: it is not executed again.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16 },
  attack   = "late-delivery",
  phases   = { before = 0.5, during = 4, after = 2 },
  expect   = { verdict = "holds" },
}
