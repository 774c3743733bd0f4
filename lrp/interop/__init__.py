"""LRP as other libraries call an explanation; each file needs its library only."""
