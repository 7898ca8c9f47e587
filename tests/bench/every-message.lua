-- The benchmark's script: a handler that is called for every message, looks at it and lets it pass.
return attack "every-message" {
  summary = "Looks at every message and forwards it.",
  kinds = { "request", "propose", "vote", "view_change", "new_view", "checkpoint", "reply", "sync", "other" },
  on_message = function(c, m, a)
    if m.size == 0 then return drop("never") end
  end,
}
