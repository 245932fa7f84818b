package main

import "context"

func localStack(ctx context.Context, s *settings) (*report, error) { return &report{}, nil }
