"""The paper, a module per section: each message, how it is made, how it is checked. Stateless."""
