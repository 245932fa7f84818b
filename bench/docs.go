package main

func (s *settings) document() error { return nil }
