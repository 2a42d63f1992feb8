"""Anonymous atomic transactions: what a consumer, a merchant, a bank and a log say to each other, and decide."""
