return scenario "cometbft-double-evidence" {
  summary  = "The kvstore that comes with CometBFT cannot bear two pieces of evidence against one validator in one block: one traitor halts every correct node.",
  protocol = "cometbft",
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1, application = "kvstore" },
  attack   = "double-vote",
  args     = { times = 40, phase = "both" }, -- both at one height: both pieces wait for the same block
  phases   = { before = 1, during = 6, after = 2 },
  expect   = { verdict = "violated", evidence = true },
}
