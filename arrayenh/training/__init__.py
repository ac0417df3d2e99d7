"""Training of networks in torch; no other package of arrayenh imports torch."""
