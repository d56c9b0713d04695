package recipe

import (
	"github.com/micaml/mica/optim"
)

// optimizers is the one table of rules.
var optimizers = table[func(p params) optim.Rule]{
	{"sgd", "gradient descent with momentum", []param{{"momentum", 0.9, 0, 0.9999, false}, {"nesterov", 0, 0, 1, true}, {"decay", 0, 0, 1, false}},
		func(p params) optim.Rule {
			return optim.SGD{Momentum: p.f32("momentum"), Nesterov: p["nesterov"] == 1 && p["momentum"] > 0, Decay: p.f32("decay")}
		}},
	{"adam", "with decay as a penalty", adamParams, func(p params) optim.Rule { return newAdam(p, false) }},
	{"adamw", "with decay of the weights themselves", adamParams, func(p params) optim.Rule { return optim.AdamW(newAdam(p, false)) }},
	{"adam8", "adam with its state in 8 bits", adamParams, func(p params) optim.Rule { return newAdam(p, true) }},
	{"adamw8", "adamw with its state in 8 bits", adamParams, func(p params) optim.Rule { return optim.AdamW(newAdam(p, true)) }},
}

var adamParams = []param{{"beta1", 0.9, 0, 0.99999, false}, {"beta2", 0.999, 0, 0.9999999, false}, {"eps", 1e-8, 1e-16, 1, false}, {"decay", 0, 0, 1, false}}

func newAdam(p params, bytes bool) optim.Adam {
	return optim.Adam{Beta1: p["beta1"], Beta2: p["beta2"], Eps: p["eps"], Decay: p["decay"], Bytes: bytes}
}

// rates is the one table of learning rates, for trainings of some steps.
var rates = table[func(p params, steps int) optim.Schedule]{
	{"constant", "always the same", rateParams(), func(p params, steps int) optim.Schedule {
		return warm(p, optim.Constant(p["peak"]))
	}},
	{"linear", "down to to", rateParams(param{"to", 0, 0, 1000, false}), func(p params, steps int) optim.Schedule {
		return warm(p, optim.Linear{From: p["peak"], To: p["to"], Steps: after(p, steps)})
	}},
	{"cosine", "down to to along half a cosine", rateParams(param{"to", 0, 0, 1000, false}), func(p params, steps int) optim.Schedule {
		return warm(p, optim.Cosine{From: p["peak"], To: p["to"], Steps: after(p, steps)})
	}},
	{"restarts", "cosines, each round times as long as the one before", rateParams(param{"to", 0, 0, 1000, false}, param{"round", must, 1, 1e9, true}, param{"times", 1, 1, 100, true}),
		func(p params, steps int) optim.Schedule {
			return warm(p, optim.Restarts{From: p["peak"], To: p["to"], Steps: p.int("round"), Mult: p.int("times")})
		}},
	{"stairs", "multiplied by factor every so many steps", rateParams(param{"factor", 0.1, 0, 1, false}, param{"every", must, 1, 1e9, true}),
		func(p params, steps int) optim.Schedule {
			m := optim.Milestones{From: p["peak"], Factor: p["factor"]}
			for at := p.int("every"); at < after(p, steps) && len(m.Steps) < 1000; at += p.int("every") {
				m.Steps = append(m.Steps, at)
			}
			return warm(p, m)
		}},
}

// rateParams are the settings that all rates have, and more.
func rateParams(more ...param) []param {
	return append([]param{{"peak", 0.001, 0, 1000, false}, {"warmup", 0, 0, 1e9, true}}, more...)
}

func warm(p params, then optim.Schedule) optim.Schedule {
	if p["warmup"] == 0 {
		return then
	}
	return optim.Warmup{Steps: p.int("warmup"), Then: then}
}

// after is how many steps come after the warm-up.
func after(p params, steps int) int { return max(1, steps-p.int("warmup")) }

// averages is the one table of averages of the weights: their decays.
var averages = table[func(p params) optim.Schedule]{
	{"ema", "exponential", []param{{"decay", 0.999, 0, 0.9999999, false}}, func(p params) optim.Schedule { return optim.Constant(p["decay"]) }},
	{"growing", "the plain mean until the decay is reached", []param{{"decay", 0.999, 0, 0.9999999, false}}, func(p params) optim.Schedule { return optim.Growing(p["decay"]) }},
}
