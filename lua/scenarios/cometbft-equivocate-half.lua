return scenario "cometbft-equivocate-half" {
  summary  = "A CometBFT proposer shows half of its peers another block, and votes for each where it was shown.",
  protocol = "cometbft",
  -- Not kvstore: two prevotes and two precommits of one height may be evidence of one block, which would halt it.
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1, application = "noop" },
  attack   = "equivocate-half",
  phases   = { before = 1, during = 4, after = 2 },
  expect   = { verdict = "holds", evidence = true },
}
