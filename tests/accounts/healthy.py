def build(fake):
    pass
