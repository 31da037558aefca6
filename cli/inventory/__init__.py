"""What an account holds of a stack, whatever the state says: asked through boto3, simulated or real."""
